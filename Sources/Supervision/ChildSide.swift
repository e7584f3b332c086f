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
  private let descriptor: SharedDescriptor
  var raw: Int32 { descriptor.raw }

  /// Takes the lock. Calls `open` and `flock`; does not wait.
  /// - Throws: ``SupervisionError/lockHeld(path:)``, ``SupervisionError/lost(_:)``.
  package init(taking path: String) throws(SupervisionError) {
    let raw = retryingOnInterrupt { open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600) }
    guard raw >= 0 else { throw .lost(.last("open", path)) }
    descriptor = SharedDescriptor(owning: raw)
    guard retryingOnInterrupt({ flock(raw, LOCK_EX | LOCK_NB) }) == 0 else {
      if errno == EWOULDBLOCK { throw .lockHeld(path: path) }
      throw .lost(.last("flock", path))
    }
  }

  /// Whether somebody alive holds the lock.
  package static func isHeld(_ path: String) -> Bool {
    let raw = retryingOnInterrupt { open(path, O_RDWR | O_CLOEXEC) }
    guard raw >= 0 else { return false }
    let descriptor = Descriptor(owning: raw)
    return flock(descriptor.raw, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
  }
}
