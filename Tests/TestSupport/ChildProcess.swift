import Glibc
import Platform

/// A program in the background with its output collected; killed when the last holder lets go.
package final class ChildProcess: @unchecked Sendable {
  package let processID: pid_t
  package let output: CollectedOutput
  package let errorOutput: CollectedOutput
  private let outcome: ChildOutcome
  private let input: Lock
  private var inputDescriptor: Int32

  /// Starts a program, found by `PATH` when `path` holds no slash. Its standard input is a pipe,
  /// see ``writeInput(_:)`` and ``closeInput()``. `environment` is set in addition to the variables
  /// of this process.
  package init(
    _ path: String, _ arguments: [String], environment: [String: String] = [:]
  ) throws {
    let spawned = try spawn(path, arguments, environment)
    processID = spawned.processID
    input = Lock()
    inputDescriptor = spawned.input
    output = CollectedOutput(owning: spawned.output)
    errorOutput = CollectedOutput(owning: spawned.errorOutput)
    outcome = ChildOutcome(of: spawned.processID)
  }

  deinit {
    closeInput()
    kill(SIGKILL)
  }

  /// Sends a signal unless the process has ended and been collected.
  package func kill(_ signal: Int32) { outcome.send(signal) }

  /// The exit status, or 128 + the number of the signal that ended the process; nil when it still
  /// runs after `timeoutSeconds`.
  package func wait(timeoutSeconds: Double = 600) -> Int32? {
    outcome.wait(timeoutSeconds: timeoutSeconds)
  }

  package var isRunning: Bool { outcome.wait(timeoutSeconds: 0) == nil }

  /// The next whole line of standard output; nil at the end of output or when the time runs out.
  package func nextLine(timeoutSeconds: Double = 60) -> String? {
    output.nextLine(timeoutSeconds: timeoutSeconds)
  }

  /// Writes all of `bytes`; a child that has closed its input is no error.
  package func writeInput(_ bytes: [UInt8]) {
    input.withLock {
      var offset = 0
      while inputDescriptor >= 0, offset < bytes.count {
        let count = retryingOnInterrupt {
          bytes[offset...].withUnsafeBytes { write(inputDescriptor, $0.baseAddress, $0.count) }
        }
        guard count > 0 else { return }
        offset += count
      }
    }
  }

  package func closeInput() {
    input.withLock {
      if inputDescriptor >= 0 { close(inputDescriptor) }
      inputDescriptor = -1
    }
  }
}

/// Waits for one child on a thread and keeps its status. A signal is never sent to a number that
/// the kernel may have given to another process.
private final class ChildOutcome: @unchecked Sendable {
  private let processID: pid_t
  private let lock = Lock()
  private let ended: Condition
  private var status: Int32?

  init(of processID: pid_t) {
    self.processID = processID
    ended = Condition(lock)
    startBackgroundThread { self.collect() }
  }

  private func collect() {
    var info = siginfo_t()
    // Waits without collecting: the number stays taken until the lock is held.
    _ = retryingOnInterrupt { waitid(P_PID, id_t(processID), &info, WEXITED | WNOWAIT) }
    lock.withLock {
      var raw: Int32 = 0
      waitpid(processID, &raw, 0)
      let signal = raw & 0x7f
      status = signal == 0 ? (raw >> 8) & 0xff : 128 + signal
      ended.broadcast()
    }
  }

  func send(_ signal: Int32) {
    lock.withLock { if status == nil { Glibc.kill(processID, signal) } }
  }

  func wait(timeoutSeconds: Double) -> Int32? {
    let deadline = MonotonicTime.now().advanced(bySeconds: timeoutSeconds)
    return lock.withLock {
      while status == nil { if !ended.wait(until: deadline) { break } }
      return status
    }
  }
}

/// Everything written to one pipe so far, emptied by a thread until its end.
package final class CollectedOutput: @unchecked Sendable {
  private let lock = Lock()
  private let changed: Condition
  private let descriptor: Descriptor
  private var buffer = [UInt8](repeating: 0, count: 64 << 10)
  private var collected: [UInt8] = []
  private var lineStart = 0
  private var isAtEnd = false

  init(owning descriptor: Int32) {
    changed = Condition(lock)
    self.descriptor = Descriptor(owning: descriptor)
    startBackgroundThread { self.collect() }
  }

  private func collect() {
    repeat { _ = hasSome(timeoutMilliseconds: -1) } while !lock.withLock({ take() })
  }

  private func hasSome(timeoutMilliseconds: Int32) -> Bool {
    var entry = pollfd(fd: descriptor.raw, events: Int16(POLLIN), revents: 0)
    return retryingOnInterrupt { poll(&entry, 1, timeoutMilliseconds) } > 0
  }

  /// Takes what stands in the pipe, under the lock. Gives whether that was all there will be.
  @discardableResult private func take() -> Bool {
    while !isAtEnd, hasSome(timeoutMilliseconds: 0) {
      let count = retryingOnInterrupt {
        buffer.withUnsafeMutableBytes { read(descriptor.raw, $0.baseAddress, $0.count) }
      }
      if count > 0 { collected.append(contentsOf: buffer[..<count]) }
      isAtEnd = count <= 0
      changed.broadcast()
    }
    return isAtEnd
  }

  /// All bytes so far: of a process that has ended, all that it has written.
  package var bytes: [UInt8] {
    lock.withLock {
      take()
      return collected
    }
  }
  package var text: String { String(decoding: bytes, as: UTF8.self) }

  /// All bytes once the pipe has ended, or what there is when the time runs out.
  package func bytesToEnd(timeoutSeconds: Double) -> [UInt8] {
    let deadline = MonotonicTime.now().advanced(bySeconds: timeoutSeconds)
    return lock.withLock {
      while !isAtEnd { if !changed.wait(until: deadline) { break } }
      return collected
    }
  }

  func nextLine(timeoutSeconds: Double) -> String? {
    let deadline = MonotonicTime.now().advanced(bySeconds: timeoutSeconds)
    return lock.withLock {
      while true {
        if let end = collected[lineStart...].firstIndex(of: 0x0a) {
          defer { lineStart = end + 1 }
          return String(decoding: collected[lineStart..<end], as: UTF8.self)
        }
        if isAtEnd || !changed.wait(until: deadline) { return nil }
      }
    }
  }
}
