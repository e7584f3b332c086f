package import Platform

/// How a child is started.
package struct ChildSpec: Sendable {
  package var executable: String
  /// `argv`, the name included. Nothing secret: everybody on the machine can read it.
  package var arguments: [String]
  /// One JSON document, written to the child's descriptor 3.
  package var job: JSONValue
  /// As whom it runs; nil for the user of this process.
  package var user: ProcessUser?
  /// The lock that it holds while it lives as another user, who could not open it.
  package var heldLockPath: String?
  /// Seconds between SIGTERM and SIGKILL after a cancellation.
  package var graceSeconds = 10.0
  /// What becomes the child's standard input; nil for nothing.
  package var standardInput: SharedDescriptor?

  package init(executable: String, arguments: [String], job: JSONValue) {
    self.executable = executable
    self.arguments = arguments
    self.job = job
  }

  /// The program itself, with its hidden command for one job.
  package static func mover(job: JSONValue) -> ChildSpec {
    ChildSpec(executable: "/proc/self/exe", arguments: ["drover", "mover"], job: job)
  }
}

/// How a child ended.
package struct ChildOutcome: Sendable, Equatable {
  package typealias Ending = StartedProcess.Ending

  package var ending: Ending
  /// The last bytes of its standard output and error, mixed in order of arrival.
  package var logTail: [UInt8]
  /// Lines of descriptor 4 that were no events.
  package var badEventCount: Int
  /// Whether the parent had asked it to end.
  package var wasCancelled: Bool
}

/// One child process by the job contract: it reads a job on descriptor 3, writes JSON lines on
/// descriptor 4, and its exit code says how it went.
///
/// The child runs in a process group of its own, with a short environment, no descriptor above 4,
/// and is killed when the thread that runs it dies. ``run(onEvent:)`` starts, watches and reaps
/// it.
package final class ChildProcess: Sendable {
  /// Kept of what a child prints.
  package static let logSizeBytesMax = 64 << 10
  /// The longest event line: a path of 4096 bytes, escaped, and its text.
  package static let eventSizeBytesMax = 64 << 10

  private let spec: ChildSpec
  private let cancellation: CancelPipe

  /// - Throws: ``SupervisionError/cannotStart(_:)`` when the process is out of descriptors.
  package init(_ spec: ChildSpec) throws(SupervisionError) {
    self.spec = spec
    do {
      cancellation = try CancelPipe()
    } catch {
      throw .cannotStart(error)
    }
  }

  /// Asks the child to end: SIGTERM, and SIGKILL after the grace. From any thread, at any time.
  package func cancel() { cancellation.raise() }

  /// Starts the child and blocks until it has ended and is reaped. Once.
  ///
  /// `onEvent` is called on the calling thread, one event at a time.
  package func run(onEvent: (JSONObject) -> Void) throws(SupervisionError) -> ChildOutcome {
    var loop = try ChildLoop(spec, cancellation: cancellation)
    return try loop.run(onEvent: onEvent)
  }
}
