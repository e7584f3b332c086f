import Glibc
import Platform

/// Looks at the high-water mark of a process until it is stopped. It never falls, so only what
/// comes between the last look and the end of the process is missed.
package final class PeakMemory: @unchecked Sendable {
  private let lock = Lock()
  private let changed: Condition
  private var isStopped = false
  private var peak = 0
  private let processID: pid_t
  private var thread: Thread<Void>?

  package init(of processID: pid_t) {
    self.processID = processID
    changed = Condition(lock)
    thread = Thread("memory") { self.watch() }
  }

  private func watch() {
    lock.lock()
    defer { lock.unlock() }
    while !isStopped {
      peak = max(peak, PeakMemory.read(processID))
      _ = changed.wait(until: MonotonicTime.now().advanced(bySeconds: 0.01))
    }
    peak = max(peak, PeakMemory.read(processID))
  }

  /// `VmHWM` in bytes; 0 when the process is gone.
  private static func read(_ processID: pid_t) -> Int {
    guard let bytes = try? ByteFiles.read(Array("/proc/\(processID)/status".utf8)) else { return 0 }
    let text = String(decoding: bytes, as: UTF8.self)
    for line in text.split(separator: "\n") where line.hasPrefix("VmHWM:") {
      return (Int(line.split(whereSeparator: { !$0.isNumber }).first ?? "") ?? 0) << 10
    }
    return 0
  }

  /// Bytes; 0 when it never could be read.
  package func stop() -> Int {
    lock.withLock {
      isStopped = true
      changed.broadcast()
    }
    // The body throws nothing.
    try? thread?.join()
    return lock.withLock { peak }
  }
}
