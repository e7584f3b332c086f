import FileTree
import Glibc
import Pipelines
import Platform
import Transport

/// The receiving end of one run.
final class ReceiverSession {
  private let stream: any ByteStream
  private let options: ReceiveOptions
  private let events: @Sendable (SessionEvent) -> Void
  private let start = MonotonicTime.now()

  init(
    stream: any ByteStream, options: ReceiveOptions,
    events: @escaping @Sendable (SessionEvent) -> Void
  ) {
    self.stream = stream
    self.options = options
    self.events = events
  }

  func run() throws -> SessionSummary {
    do {
      let greeting = try SenderGreeting(decoding: try Greeting.receive(from: stream))
      let nonce = SecureRandom.bytes(Greeting.nonceSize)
      let target: Target
      do {
        try options.fence?.admit(greeting.generation)
        target = try Target.open(options, greeting)
        if !greeting.flags.contains(.dryRun) {
          try options.fence?.begin(isRevertible: target.isRevertible)
        }
      } catch {
        try Greeting.send(ReceiverGreeting(nonce: nonce, .of(error)).encoded(), over: stream)
        throw error
      }
      try Greeting.send(ReceiverGreeting(nonce: nonce).encoded(), over: stream)
      let keys = try SessionKeys(senderNonce: greeting.nonce, receiverNonce: nonce)
      return try transfer(greeting, target, keys)
    } catch {
      stream.close()
      throw error
    }
  }

  private func transfer(
    _ greeting: SenderGreeting, _ target: Target, _ keys: SessionKeys
  ) throws -> SessionSummary {
    let latch = FailureLatch()
    let output = RecordOutput(stream: stream, latch: latch)
    let threads = SessionThreads(stream: stream, output: output, latch: latch)
    let stages = ReceiverStages(
      greeting: greeting, target: target, keys: keys, output: output, latch: latch,
      options: options, events: events)
    threads.startWriter()
    try stages.start(threads, stream)
    try threads.join()
    if !greeting.flags.contains(.dryRun) { try options.fence?.end() }
    stream.close()
    var summary = SessionSummary()
    stages.state.fill(&summary)
    summary.wireBytesSent = stream.wireBytes.sent
    summary.wireBytesReceived = stream.wireBytes.received
    summary.durationSeconds = MonotonicTime.now().seconds(since: start)
    summary.treeDigest = stages.digest.value?.digest
    threads.fill(&summary)
    return summary
  }
}

/// Where a run goes.
struct Target {
  enum Kind {
    case tree(TreeRoot)
    case volume(VolumeTarget)
  }

  let kind: Kind

  /// Whether a session that is cut short can be taken back: a volume has an undo journal.
  var isRevertible: Bool { if case .volume = kind { true } else { false } }

  /// - Throws: `ReplicationError` when the root cannot be used or a guard refuses the run.
  static func open(_ options: ReceiveOptions, _ greeting: SenderGreeting) throws -> Target {
    switch greeting.root {
    case .tree:
      var status = stat()
      guard stat(options.root, &status) == 0 else {
        throw ReplicationError.root(
          path: options.root, reason: PlatformError.reason(of: errno))
      }
      guard status.st_mode & S_IFMT == S_IFDIR else {
        throw ReplicationError.root(
          path: options.root, reason: "not a directory, but the source is one")
      }
      let tree = try TreeRoot(path: options.root)
      try guardAgainstEmptySource(tree, greeting, options)
      return Target(kind: .tree(tree))
    case .volume(let size):
      return Target(kind: .volume(try VolumeTarget.open(options, sizeBytes: size, greeting)))
    }
  }

  private static func guardAgainstEmptySource(
    _ tree: TreeRoot, _ greeting: SenderGreeting, _ options: ReceiveOptions
  ) throws {
    guard greeting.flags.isSuperset(of: [.sourceIsEmpty, .delete]),
      !greeting.flags.contains(.allowEmptySource)
    else { return }
    var walk = WalkOptions()
    walk.filter = greeting.filter
    guard try RootEntry.read(tree, walk).isEmpty else {
      throw ReplicationError.emptySource(root: "the source")
    }
  }
}
