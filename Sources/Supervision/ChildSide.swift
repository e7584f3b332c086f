import Glibc
package import Platform

/// The child's end of the job contract: its job, its events, its lock.
package final class ChildSide: @unchecked Sendable {
  /// Descriptor of the job.
  package static let jobDescriptor: Int32 = 3
  /// Descriptor of the events.
  package static let eventDescriptor: Int32 = 4

  private let eventDescriptor: Int32
  private let lock = Lock()

  /// Uses the descriptors of the contract; tests give others.
  package init(eventDescriptor: Int32 = ChildSide.eventDescriptor) {
    self.eventDescriptor = eventDescriptor
    // The parent's end of a pipe may be gone: that is an error of a write, not a signal.
    signal(SIGPIPE, SIG_IGN)
  }

  /// Reads the whole job and closes its descriptor.
  package static func readJob(from raw: Int32 = jobDescriptor) throws(SupervisionError)
    -> JSONObject
  {
    let descriptor = Descriptor(owning: raw)
    let text: [UInt8]
    do {
      text = try SmallFile.read(
        descriptor: descriptor.raw, subject: "the job", sizeBytesMax: JSONLimits().sizeBytesMax)
    } catch {
      throw .badJob(error.errno == EBADF ? "it is started by drover, not by hand" : error.message)
    }
    do {
      guard let job = try JSONValue(parsing: text).objectValue else {
        throw SupervisionError.badJob("it is no object")
      }
      return job
    } catch {
      throw .badJob("\(error)")
    }
  }

  /// Writes one event line, from any thread. Blocks while the parent does not read; a parent that
  /// is gone takes this process with it, so a failed write is no matter.
  package func emit(_ event: JSONObject) {
    let line = JSONValue.object(event).encoded() + [0x0a]
    lock.withLock {
      // Nobody is left to tell: PDEATHSIG ends this process.
      try? SmallFile.write(line, to: eventDescriptor, subject: "events")
    }
  }
}

/// A lock file that a process holds while it lives; the kernel lets go of it with the process.
package struct RunLock: Sendable {
  private let file: FileLock

  /// Takes the lock. Calls `open` and `flock`; does not wait.
  /// - Throws: ``SupervisionError/lockHeld(path:)``, ``SupervisionError/lost(_:)``.
  package init(taking path: String) throws(SupervisionError) {
    file = try RunLock.required(path) { () throws(PlatformError) in
      try FileLock.take(path, flags: O_CREAT)
    }
  }

  /// Takes the lock for a child, which keeps it until it ends: give it the descriptor, then close
  /// that here.
  /// - Throws: As ``init(taking:)``.
  static func takeForChild(_ path: String) throws(SupervisionError) -> SharedDescriptor {
    try required(path) { () throws(PlatformError) in
      try FileLock.takeForChild(path, flags: O_CREAT)
    }
  }

  private static func required<Lock>(
    _ path: String, _ take: () throws(PlatformError) -> Lock?
  ) throws(SupervisionError) -> Lock {
    let lock: Lock?
    do throws(PlatformError) { lock = try take() } catch { throw .lost(error) }
    guard let lock else { throw .lockHeld(path: path) }
    return lock
  }

  /// Whether somebody alive holds the lock.
  package static func isHeld(_ path: String) -> Bool { FileLock.isHeld(path) }
}
