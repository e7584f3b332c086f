import Glibc
package import Platform

/// Keeps a file for the text-file collector of Prometheus' node exporter up to date.
///
/// It is written aside, as `.NAME.drover-new`, and renamed: a reader sees the old text or the new.
package final class MetricsFile: @unchecked Sendable {
  /// Between two writings while nothing ends; a scrape's usual interval.
  package static let intervalSeconds = 15.0
  /// Between two writings at least.
  private static let pauseSeconds = 1.0

  private let path: String
  private let register: MetricsRegister
  private let clock: any Clock
  private let complain: @Sendable (PlatformError) -> Void
  private let lock = Lock()
  private let condition: Condition
  private var shallEnd = false
  private var thread: Thread<Void>?

  /// Writes the file once, then goes on in a thread of its own. `complain` hears of a file that
  /// cannot be written any more, once until it can.
  /// - Throws: when it cannot be written now.
  package init(
    _ path: String, _ register: MetricsRegister, clock: any Clock = SystemClock(),
    complain: @escaping @Sendable (PlatformError) -> Void
  ) throws(PlatformError) {
    self.path = path
    self.register = register
    self.clock = clock
    self.complain = complain
    condition = Condition(lock)
    try write()
    thread = Thread("metrics file") { [self] in serve() }
  }

  /// Writes the file a last time; once.
  package func stop() {
    lock.withLock {
      shallEnd = true
      condition.broadcast()
    }
    register.wake()
    // Its body does not throw.
    try? thread?.join()
  }

  private func serve() {
    var revision = 0
    var isBroken = false
    while !pause() {
      let deadline = MonotonicTime.now().advanced(bySeconds: MetricsFile.intervalSeconds)
      revision = register.waitForChange(after: revision, until: deadline)
      tell(&isBroken)
    }
    tell(&isBroken)
  }

  private func tell(_ isBroken: inout Bool) {
    do {
      try write()
      isBroken = false
    } catch {
      if !isBroken { complain(error) }
      isBroken = true
    }
  }

  /// Whether it shall end.
  private func pause() -> Bool {
    let deadline = MonotonicTime.now().advanced(bySeconds: MetricsFile.pauseSeconds)
    return lock.withLock {
      while !shallEnd, condition.wait(until: deadline) {}
      return shallEnd
    }
  }

  private func write() throws(PlatformError) {
    let slash = path.lastIndex(of: "/")
    let directory = slash.map { path[...$0] } ?? ""
    let name = slash.map { path[path.index(after: $0)...] } ?? path[...]
    let aside = "\(directory).\(name).drover-new"
    do throws(PlatformError) {
      try write(register.text(at: clock.wallTime()), to: aside)
      guard rename(aside, path) == 0 else { throw PlatformError.last("rename", path) }
    } catch {
      unlink(aside)
      throw error
    }
  }

  private func write(_ bytes: [UInt8], to path: String) throws(PlatformError) {
    // One that was left by a killed process is taken over.
    let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW
    let raw = retryingOnInterrupt { open(path, flags, 0o644) }
    guard raw >= 0 else { throw .last("open", path) }
    let descriptor = Descriptor(owning: raw)
    try SmallFile.write(bytes, to: descriptor.raw, subject: path)
  }
}
