import Glibc
import Platform

/// A command line of the user, run by `/bin/sh`: a hook, or one that makes or removes a copy.
package struct UserCommand: Sendable {
  /// Kept of what it prints.
  package static let outputSizeBytesMax = 4 << 10
  /// How long one that was told to end may take.
  private static let graceSeconds = 2.0
  /// After which cancellation is looked at.
  private static let lookMilliseconds = 100.0

  /// What messages call it.
  package var name: String
  package var text: String
  package var timeoutSeconds: Double
  /// Variables besides those that every child gets.
  package var variables: [String: String]

  package init(
    _ name: String, _ text: String, timeoutSeconds: Double, variables: [String: String]
  ) {
    self.name = name
    self.text = text
    self.timeoutSeconds = timeoutSeconds
    self.variables = variables
  }

  /// Runs it to its end and gives the last bytes of what it printed; blocks.
  /// - Throws: ``VolumeError/command(_:reason:)``, ``VolumeError/cancelled``.
  package func run(isCancelled: () -> Bool) throws(VolumeError) -> [UInt8] {
    let started: (process: StartedProcess, output: SharedDescriptor)
    do throws(PlatformError) {
      started = try start()
    } catch {
      throw .command(name, reason: "cannot be run: \(error.message)")
    }
    return try watch(started.process, started.output, isCancelled).get()
  }

  private func start() throws(PlatformError) -> (StartedProcess, SharedDescriptor) {
    let pipe = try Pipe()
    let kept = StartedProcess.environment(keeping: [
      "PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR",
    ])
    let process = try StartedProcess(
      executable: "/bin/sh", arguments: ["sh", "-c", text],
      environment: kept + variables.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" },
      descriptors: [-1, pipe.write.raw, pipe.write.raw, -1, -1])
    try pipe.read.setNonblocking()
    return (process, pipe.read)
  }

  private func watch(
    _ process: StartedProcess, _ output: SharedDescriptor, _ isCancelled: () -> Bool
  ) -> Result<[UInt8], VolumeError> {
    var tail: [UInt8] = []
    let deadline = MonotonicTime.now().advanced(bySeconds: timeoutSeconds)
    var killTime: MonotonicTime?
    var reason: VolumeError?
    while !waitForEnd(process, output) {
      read(output, into: &tail)
      let now = MonotonicTime.now()
      if let killTime {
        if now >= killTime { process.signalGroup(SIGKILL) }
      } else if isCancelled() || now >= deadline {
        reason =
          isCancelled()
          ? .cancelled : .command(name, reason: "took longer than \(seconds) s and was ended")
        process.signalGroup(SIGTERM)
        killTime = now.advanced(bySeconds: UserCommand.graceSeconds)
      }
    }
    read(output, into: &tail)
    // What it has started in the background and left ends with it.
    process.signalGroup(SIGKILL)
    let ending = process.reap()
    if let reason { return .failure(reason) }
    switch ending {
    case .exited(code: 0): return .success(tail)
    case .exited(let code):
      return .failure(.command(name, reason: "ended with code \(code)" + said(tail)))
    case .killed(let signal):
      return .failure(.command(name, reason: "was killed by signal \(signal)" + said(tail)))
    }
  }

  private var seconds: String {
    timeoutSeconds == timeoutSeconds.rounded() ? "\(Int(timeoutSeconds))" : "\(timeoutSeconds)"
  }

  private func waitForEnd(_ process: StartedProcess, _ output: SharedDescriptor) -> Bool {
    var entries = [
      pollfd(fd: process.end.raw, events: Int16(POLLIN), revents: 0),
      pollfd(fd: output.raw, events: Int16(POLLIN), revents: 0),
    ]
    // An output that was closed is always ready: the process alone is waited for then.
    let count = poll(&entries, 2, Int32(UserCommand.lookMilliseconds))
    if count > 0, entries[0].revents == 0, entries[1].revents & Int16(POLLIN) == 0 {
      entries[0].revents = 0
      _ = poll(&entries, 1, Int32(UserCommand.lookMilliseconds))
    }
    return entries[0].revents != 0
  }

  private func read(_ output: SharedDescriptor, into tail: inout [UInt8]) {
    var buffer = [UInt8](repeating: 0, count: UserCommand.outputSizeBytesMax)
    while true {
      let count = buffer.withUnsafeMutableBytes { bytes in
        retryingOnInterrupt { Glibc.read(output.raw, bytes.baseAddress, bytes.count) }
      }
      guard count > 0 else { return }
      tail = Array((tail + buffer[..<count]).suffix(UserCommand.outputSizeBytesMax))
    }
  }

  private func said(_ tail: [UInt8]) -> String {
    let text = String(decoding: tail, as: UTF8.self)
    let last = text.split(separator: "\n").last.map(String.init) ?? ""
    return last.isEmpty ? "" : ": \(last)"
  }
}
