import FileTree
import Glibc
import Pipelines
import Platform
import Transport

/// The stages of a receiver and the channels between them.
final class ReceiverStages: @unchecked Sendable {
  let state: ReceiverState
  let digest = AcknowledgementBox()
  private let greeting: SenderGreeting
  private let target: Target
  private let keys: SessionKeys
  private let output: RecordOutput
  private let options: ReceiveOptions
  private let pending = PendingFiles()
  private let gate = SegmentGate()
  private let deltas = BoundedChannel<PendingFile>(countMax: 64)
  private let control = BoundedChannel<Record>(countMax: WireLimits.controlCredits)
  private let controlPool = BufferPool(
    sizeBytes: WireLimits.recordWireSizeMax, countMax: WireLimits.controlCredits + 2)
  private let dataPool: BufferPool
  private let lanes: [BoundedChannel<Record>]
  private let writing: Countdown
  private let writeBehind = WriteBehind()

  init(
    greeting: SenderGreeting, target: Target, keys: SessionKeys, output: RecordOutput,
    latch: FailureLatch, options: ReceiveOptions,
    events: @escaping @Sendable (SessionEvent) -> Void
  ) {
    self.greeting = greeting
    self.target = target
    self.keys = keys
    self.output = output
    self.options = options
    state = ReceiverState(flags: greeting.flags, isPrivileged: geteuid() == 0, events: events)
    lanes = (0..<greeting.laneCount).map { _ in BoundedChannel(countMax: 8) }
    dataPool = BufferPool(
      sizeBytes: WireLimits.recordWireSizeMax, countMax: 6 * greeting.laneCount + 4)
    writing = Countdown(lanes.count + 1)
    let (pending, gate, deltas, control, pool, lanes, writing, writeBehind) = (
      pending, gate, deltas, control, dataPool, lanes, writing, writeBehind
    )
    latch.onFailure {
      pending.fail()
      gate.fail()
      deltas.fail()
      control.fail()
      pool.fail()
      for lane in lanes { lane.fail() }
      writing.fail()
      writeBehind.fail()
    }
  }

  func start(_ threads: SessionThreads, _ stream: any ByteStream) throws {
    threads.startReader { try self.read(stream) }
    let scratch = TreeScratch(directory: SharedDescriptor(owning: dup(scratchDirectory)))
    let completion = FileCompletion(state: state, pending: pending)
    let writeBehind = writeBehind
    threads.start("write behind") { writeBehind.run() }
    for lane in lanes {
      let timer = StageTimer("write")
      threads.start("write", timer: timer) {
        let builder = RecordBuilder(lane: 0, output: self.output, timer: timer)
        try ReceiverLane(
          channel: lane, pool: self.dataPool, builder: builder, completion: completion,
          gate: self.gate, writer: self.makeWriter(builder), writeBehind: writeBehind,
          scratch: scratch, keys: self.keys, timer: timer
        ).run()
        try builder.flush()
        self.writing.countDown()
      }
    }
    let timer = StageTimer("signature")
    threads.start("signature", timer: timer) {
      let builder = RecordBuilder(lane: 0, output: self.output, timer: timer)
      try SignatureStage(
        channel: self.deltas, builder: builder, gate: self.gate, completion: completion,
        writer: self.makeWriter(builder), keys: self.keys, timer: timer
      ).run()
      try builder.flush()
      self.writing.countDown()
    }
    startControl(threads)
  }

  private var scratchDirectory: Int32 {
    switch target.kind {
    case .tree(let root): root.descriptor
    case .volume(let volume): volume.undo.directory.raw
    }
  }

  private func makeWriter(_ builder: RecordBuilder) -> TreeWriter? {
    guard case .tree(let root) = target.kind else { return nil }
    let state = state
    return TreeWriter(root: root) { path, message in
      state.warn(path, message, tell: builder)
    }
  }

  // MARK: Reading

  private func read(_ stream: any ByteStream) throws {
    do {
      try readRecords(stream)
    } catch let error as TransportError {
      // The run is committed and confirmed: how the sender leaves changes nothing.
      guard digest.value != nil else { throw error }
    }
  }

  /// Hands records to their lanes until the sender's goodbye.
  private func readRecords(_ stream: any ByteStream) throws {
    let input = RecordInput(stream: stream)
    var watch = StallWatch(options.patience, output.activity)
    while let header = try input.readHeader() {
      guard header.lane <= lanes.count else { throw ReplicationError.violation("lane") }
      let pool = header.lane == 0 ? controlPool : dataPool
      let buffer = try pool.take()
      try input.readBody(header, into: buffer)
      let heartbeat = try header.heartbeat(buffer.filled)
      try watch.note(heartbeat: heartbeat)
      if heartbeat != nil {
        pool.giveBack(buffer)
        continue
      }
      let record = Record(
        lane: header.lane, isCompressed: header.isCompressed, rawSize: header.rawSize,
        buffer: buffer)
      if header.lane > 0 {
        try lanes[header.lane - 1].send(record, timer: nil)
        continue
      }
      if try isFarewell(header, buffer) {
        pool.giveBack(buffer)
        continue
      }
      guard try control.sendIfRoom(record) else {
        throw ReplicationError.violation("more control records than allowed")
      }
    }
    // The peer's clean end: right after the acknowledgement, too early before it.
    guard digest.value != nil else {
      throw ReplicationError.peerGone(phase: "before the end of the run")
    }
  }

  /// Frames that are handled where they are read: goodbye, and the sender's failure.
  private func isFarewell(_ header: RecordHeader, _ buffer: PooledBuffer) throws -> Bool {
    guard !header.isCompressed else { return false }
    var frames = FrameIterator(buffer.filled)
    guard let frame = try frames.next() else { return false }
    switch frame.type {
    case .goodbye: return true
    case .abort: throw try AbortMessage(decoding: frame.body).error
    default: return false
    }
  }

  // MARK: Control

  private func startControl(_ threads: SessionThreads) {
    let timer = StageTimer("compare")
    threads.start("compare", timer: timer) {
      timer.start()
      let builder = RecordBuilder(lane: 0, output: self.output, timer: timer)
      let digest: [UInt8]
      switch self.target.kind {
      case .tree(let root): digest = try self.receiveTree(root, builder, timer)
      case .volume(let volume): digest = try self.receiveVolume(volume, builder, timer)
      }
      let acknowledgement = self.state.acknowledgement(digest: digest)
      self.digest.value = acknowledgement
      try builder.append(.acknowledgement, size: Acknowledgement.size) {
        acknowledgement.encode(&$0)
      }
      try builder.flush()
      timer.stop()
      self.output.close()
    }
  }

  private func receiveTree(
    _ root: TreeRoot, _ builder: RecordBuilder, _ timer: StageTimer
  ) throws -> [UInt8] {
    guard case .tree(let rootListing) = greeting.root, let writer = makeWriter(builder) else {
      throw ReplicationError.violation("kind of root")
    }
    let journal = state.isDryRun ? nil : try RunJournal(in: root)
    let applier = EntryApplier(
      state: state, builder: builder, journal: journal, writer: writer, pending: pending,
      deltas: deltas, filter: greeting.filter, timer: timer)
    var localOptions = WalkOptions()
    localOptions.filter = greeting.filter
    try noteRoot(root, rootListing, localOptions, journal)
    let comparer = try TreeComparer(
      root: root, rootListing: rootListing, filter: greeting.filter, state: state,
      builder: builder, journal: journal, entries: applier)
    let end = try compare(comparer, applier, builder, timer)
    try builder.flush()
    try pending.waitUntilEmpty(timer: timer)
    try closeLanes()
    if let journal {
      try TreeCommit(
        root: root, journal: journal, writer: writer, filter: greeting.filter,
        deleteCountMax: greeting.deleteCountMax, deletionLimit: options.deletionLimit,
        state: state, builder: builder
      ).run(mayDelete: !end.hadErrors)
    }
    return end.digest
  }

  /// The root's own attributes come first in the journal and are applied last.
  private func noteRoot(
    _ root: TreeRoot, _ source: DirectoryListing, _ options: WalkOptions, _ journal: RunJournal?
  ) throws {
    guard let journal else { return }
    try journal.append(.attributes(path: [], source))
  }

  private func compare(
    _ comparer: TreeComparer, _ applier: EntryApplier, _ builder: RecordBuilder,
    _ timer: StageTimer
  ) throws -> TreeComparer.WalkEnd {
    let unpacker = try LaneUnpacker()
    while let record = try control.receive(timer: timer) {
      let end = try comparer.handle(try unpacker.unpack(record))
      controlPool.giveBack(record.buffer)
      try builder.append(.credit, size: 4) { $0.put(UInt32(1)) }
      try builder.flush()
      try applier.handOver(flushing: builder)
      if let end { return end }
    }
    throw ReplicationError.violation("the sender left before the end of the walk")
  }

  /// Ends the lanes; what they have to tell the sender has gone out before the acknowledgement
  /// does.
  private func closeLanes() throws {
    deltas.close()
    for lane in lanes { lane.close() }
    try writing.wait()
    writeBehind.close()
  }

  // MARK: Volumes

  private func receiveVolume(
    _ volume: VolumeTarget, _ builder: RecordBuilder, _ timer: StageTimer
  ) throws -> [UInt8] {
    state.setTotals(entryCount: 1, fileCount: 1, sizeBytes: volume.sourceSizeBytes)
    if state.isDryRun {
      try closeLanes()
      return VolumeProofs.unproven
    }
    var status = stat()
    _ = fstat(volume.descriptor.raw, &status)
    let undo = try UndoJournal(
      directory: volume.undo.directory.raw, name: volume.undo.name,
      targetName: volume.undo.targetName, sizeBytes: volume.sizeBytes,
      modifiedSeconds: Int64(status.st_mtim.tv_sec),
      modifiedNanoseconds: UInt32(status.st_mtim.tv_nsec))
    let request = try pending.reserve(timer: timer) {}
    let basisSize = min(volume.sizeBytes, volume.sourceSizeBytes)
    let rebuild = FileRebuild(
      volume: request, descriptor: volume.descriptor, undo: undo,
      sizeBytes: volume.sourceSizeBytes,
      basisSizeBytes: volume.isDevice ? basisSize : volume.sizeBytes, activity: output.activity)
    let file = PendingFile(
      request: request, listing: nil, index: 0, sourceIndex: 0, directoryNumber: 0,
      change: ItemChange(.transferred, .regular), rebuild: rebuild)
    pending.add(file)
    state.fileRequested(sizeBytes: volume.sourceSizeBytes)
    try builder.append(.needDelta, size: 13) { writer in
      writer.put(request)
      writer.put(rebuild.basisSizeBytes)
      writer.put(UInt8(1))
    }
    try builder.flush()
    try deltas.send(file, timer: timer)
    try pending.waitUntilEmpty(timer: timer)
    try closeLanes()
    if output.activity.busy({ fsync(volume.descriptor.raw) }) != 0 {
      throw ReplicationError.file(.last("fsync"), path: Array(volume.path.utf8))
    }
    let digest = try rebuild.volumeProofs?.digest() ?? VolumeProofs.unproven
    volume.undo.remove()
    return digest
  }
}
