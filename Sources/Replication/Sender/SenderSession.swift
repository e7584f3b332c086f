import FileTree
import Glibc
import Pipelines
import Platform
import Transport

/// The sending end of one run.
final class SenderSession {
  private let stream: any ByteStream
  private let options: SendOptions
  private let state: SenderState
  private let start = MonotonicTime.now()
  private static let laneCount = 2

  init(
    stream: any ByteStream, options: SendOptions,
    events: @escaping @Sendable (SessionEvent) -> Void
  ) {
    self.stream = stream
    self.options = options
    state = SenderState(events: events)
  }

  func run() throws -> SessionSummary {
    do {
      let source = try Source.open(options)
      let keys = try greet(source)
      return try transfer(source, keys)
    } catch ReplicationError.rsyncPeer {
      // It has had a greeting that it does not understand: nothing is under way to it.
      stream.abort()
      throw ReplicationError.rsyncPeer
    } catch {
      stream.close()
      throw error
    }
  }

  // MARK: Greeting

  private func greet(_ source: Source) throws -> SessionKeys {
    let nonce = SecureRandom.bytes(Greeting.nonceSize)
    let greeting = SenderGreeting(
      nonce: nonce, flags: flags(source), laneCount: SenderSession.laneCount,
      generation: options.generation, deleteCountMax: options.deleteCountMax,
      filter: options.filter, root: source.greeting)
    let sending = Result { try Greeting.send(greeting.encoded(), over: stream) }
    // A peer that does not understand the greeting may close before it has read all of it; what it
    // has said before tells more than the failed write.
    let received: [UInt8]
    do {
      received = try Greeting.receive(from: stream)
    } catch let error as TransportError {
      throw error.kind == .cancelled ? error : ReplicationError.unanswered(error)
    }
    try sending.get()
    let answer = try ReceiverGreeting(decoding: received)
    if let error = answer.error { throw error }
    return try SessionKeys(senderNonce: nonce, receiverNonce: answer.nonce)
  }

  private func flags(_ source: Source) -> SenderGreeting.Flags {
    var flags: SenderGreeting.Flags = []
    func set(_ flag: SenderGreeting.Flags, _ isSet: Bool) { if isSet { flags.insert(flag) } }
    set(.delete, options.delete)
    set(.dryRun, options.dryRun)
    set(.itemize, options.itemizeChanges)
    set(.checksum, options.checksum)
    set(.inPlace, options.inPlace)
    set(.wholeFile, options.wholeFile)
    set(.allowEmptySource, options.allowEmptySource)
    set(.sourceIsEmpty, source.isEmpty)
    set(.oneFileSystem, options.oneFileSystem)
    return flags
  }

  // MARK: Transfer

  private func transfer(_ source: Source, _ keys: SessionKeys) throws -> SessionSummary {
    let latch = FailureLatch()
    let compression = CompressionControl(choice: options.compression)
    let output = RecordOutput(
      stream: stream, latch: latch, bytesPerSecondMax: options.bandwidthLimitBytesPerSecond,
      control: compression)
    let threads = SessionThreads(stream: stream, output: output, latch: latch)
    let tasks = SenderTaskQueues(laneCount: SenderSession.laneCount)
    let table = DirectoryTable()
    let credits = CreditCounter(count: WireLimits.controlCredits)
    let files = SenderFileTable(volumeSizeBytes: source.volumeSizeBytes)
    latch.onFailure {
      tasks.fail()
      table.fail()
      credits.fail()
    }
    threads.startWriter()
    try startControl(threads, source, table, output, credits)
    for lane in 1...SenderSession.laneCount {
      let timer = StageTimer("read")
      let (root, state) = (source.root, state)
      threads.start("read", timer: timer) {
        let builder = RecordBuilder(
          lane: lane, output: output, timer: timer,
          compressor: try LaneCompressor(control: compression))
        try SenderLane(
          root: root, tasks: tasks.queue(lane - 1), builder: builder, files: files, state: state,
          keys: keys,
          timer: timer
        ).run()
      }
    }
    return try finish(threads, source, table, tasks, credits, files, output)
  }

  /// The control thread: the walk of a tree; nothing for a volume.
  private func startControl(
    _ threads: SessionThreads, _ source: Source, _ table: DirectoryTable, _ output: RecordOutput,
    _ credits: CreditCounter
  ) throws {
    guard let tree = source.root.tree, case .tree(let rootListing) = source.greeting else {
      state.countVolume(sizeBytes: source.volumeSizeBytes ?? 0)
      return
    }
    let timer = StageTimer("walk")
    var walkOptions = WalkOptions()
    walkOptions.filter = options.filter
    walkOptions.oneFileSystem = options.oneFileSystem
    let (state, choice, sourceGuard) = (state, options.compression, options.sourceGuard)
    let finalOptions = walkOptions
    threads.start("walk", timer: timer) {
      timer.start()
      defer { timer.stop() }
      // Listings are small and shrink well: they are compressed even when data is not.
      let control = CompressionControl(choice: choice == .none ? .none : .level(3))
      let builder = RecordBuilder(
        lane: 0, output: output, timer: timer, compressor: try LaneCompressor(control: control))
      builder.beforeSend = { try credits.take() }
      try SourceWalk(
        root: tree, rootListing: rootListing, options: finalOptions, table: table,
        builder: builder, state: state, sourceGuard: sourceGuard, timer: timer
      ).run()
    }
  }

  private func finish(
    _ threads: SessionThreads, _ source: Source, _ table: DirectoryTable,
    _ tasks: SenderTaskQueues, _ credits: CreditCounter, _ files: SenderFileTable,
    _ output: RecordOutput
  ) throws -> SessionSummary {
    let acknowledged = AcknowledgementBox()
    let (stream, state, patience) = (stream, state, options.patience)
    let isDryRun = options.dryRun
    let timer = StageTimer("requests")
    threads.startReader {
      let reader = try RequestReader(
        stream: stream, table: table, tasks: tasks, credits: credits, files: files, state: state,
        watch: StallWatch(patience, output.activity), timer: timer)
      let end = try reader.run()
      if !source.root.isVolume {
        guard let digest = state.treeDigest, table.isDecided else {
          throw ReplicationError.violation("an acknowledgement before the end of the walk")
        }
        guard digest == end.digest else { throw ReplicationError.digestMismatch }
      }
      try SenderSession.check(end, files.volumeProofs, isDryRun: isDryRun, state)
      acknowledged.value = end
      tasks.close()
      output.close()
    }
    try threads.join()
    guard let end = acknowledged.value else { throw ReplicationError.digestMismatch }
    // The receiver has committed: a goodbye that does not get through changes nothing.
    do { try output.sayGoodbye() } catch { stream.abort() }
    stream.close()
    var summary = SessionSummary()
    state.fill(&summary)
    summary.fileCountTransferred = end.transferredCount
    summary.entryCountCreated = end.createdCount
    summary.entryCountDeleted = end.deletedCount
    summary.entryCountAttributesChanged = end.attributesChangedCount
    summary.matchedBytes = end.matchedBytes
    summary.wireBytesSent = stream.wireBytes.sent
    summary.wireBytesReceived = stream.wireBytes.received
    summary.durationSeconds = MonotonicTime.now().seconds(since: start)
    summary.treeDigest = options.dryRun || source.root.isVolume ? nil : end.digest
    threads.fill(&summary)
    return summary
  }
}

extension SenderSession {
  /// A volume is confirmed when the receiver has proved the very segments that were read here, or
  /// has warned that it changed meanwhile.
  private static func check(
    _ end: Acknowledgement, _ proofs: VolumeProofs?, isDryRun: Bool, _ state: SenderState
  ) throws {
    guard let proofs, !isDryRun else { return }
    if end.digest == VolumeProofs.unproven, state.hasWarned { return }
    guard let digest = try proofs.digest(), end.digest == digest else {
      throw ReplicationError.digestMismatch
    }
  }
}

/// Carries the acknowledgement from one thread to others.
final class AcknowledgementBox: @unchecked Sendable {
  private let lock = Lock()
  private var stored: Acknowledgement?
  var value: Acknowledgement? {
    get { lock.withLock { stored } }
    set { lock.withLock { stored = newValue } }
  }
}

/// What is sent: a tree, or one file or device as a volume.
struct Source {
  let root: SourceRoot
  let greeting: SenderGreeting.Root
  let isEmpty: Bool
  var volumeSizeBytes: Int64? {
    if case .volume(let size) = greeting { return size }
    return nil
  }

  static func open(_ options: SendOptions) throws -> Source {
    var status = stat()
    guard stat(options.root, &status) == 0 else {
      throw ReplicationError.root(
        path: options.root, reason: PlatformError.reason(of: errno))
    }
    switch status.st_mode & S_IFMT {
    case S_IFDIR: return try openTree(options)
    case S_IFREG, S_IFBLK:
      let root = SourceRoot(volumePath: options.root)
      switch OpenSource.open([], in: root) {
      case .failure(let error):
        throw ReplicationError.root(
          path: options.root, reason: PlatformError.reason(of: error.errno))
      case .success(let source):
        return Source(
          root: root, greeting: .volume(sizeBytes: source.status.sizeBytes),
          isEmpty: source.status.sizeBytes == 0)
      }
    default:
      throw ReplicationError.root(
        path: options.root, reason: "neither a directory nor a block device or image")
    }
  }

  private static func openTree(_ options: SendOptions) throws -> Source {
    let tree = try TreeRoot(path: options.root)
    var walk = WalkOptions()
    walk.filter = options.filter
    let (listing, isEmpty) = try RootEntry.read(tree, walk)
    return Source(root: SourceRoot(tree: tree), greeting: .tree(listing), isEmpty: isEmpty)
  }
}

/// The root directory itself as an entry without a name.
enum RootEntry {
  /// A listing with only the root, and whether nothing stands in it. Reads on a thread of its own.
  static func read(
    _ tree: TreeRoot, _ options: WalkOptions
  ) throws -> (listing: DirectoryListing, isEmpty: Bool) {
    try Thread<(DirectoryListing, Bool)>("root") {
      let reader = DirectoryReader(root: tree, options: options) { _ in }
      let content = try reader.read([])
      let listing = DirectoryListing(path: [])
      listing.append(content.directory, from: content)
      return (listing, content.entries.allSatisfy { $0.isLeftover } && !content.isIncomplete)
    }.join()
  }
}
