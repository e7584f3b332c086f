import Cryptography
import FileTree
import Pipelines
import Platform
import Transport

/// Reads everything the receiver says and turns it into work. The body of one thread.
final class RequestReader {
  private let input: RecordInput
  private let table: DirectoryTable
  private let tasks: SenderTaskQueues
  private let credits: CreditCounter
  private let state: SenderState
  private let unpacker: LaneUnpacker
  private let files: SenderFileTable
  private var open: Set<UInt32> = []
  private let timer: StageTimer
  private var watch: StallWatch

  init(
    stream: any ByteStream, table: DirectoryTable, tasks: SenderTaskQueues,
    credits: CreditCounter, files: SenderFileTable, state: SenderState, watch: StallWatch,
    timer: StageTimer
  ) throws {
    self.watch = watch
    input = RecordInput(stream: stream)
    self.table = table
    self.tasks = tasks
    self.credits = credits
    self.files = files
    self.state = state
    self.timer = timer
    unpacker = try LaneUnpacker()
  }

  /// Runs until the receiver's acknowledgement, which it gives.
  func run() throws -> Acknowledgement {
    timer.start()
    defer { timer.stop() }
    let pool = BufferPool(sizeBytes: WireLimits.recordWireSizeMax, countMax: 1)
    let buffer = try pool.take()
    while true {
      let waitStart = MonotonicTime.now()
      guard let header = try input.readHeader() else {
        throw ReplicationError.peerGone(phase: "before it confirmed the end")
      }
      timer.addInputWait(since: waitStart)
      guard header.lane == 0 else { throw ReplicationError.violation("lane of a request") }
      try input.readBody(header, into: buffer)
      let heartbeat = try header.heartbeat(buffer.filled)
      try watch.note(heartbeat: heartbeat)
      if heartbeat != nil { continue }
      let record = Record(
        lane: 0, isCompressed: header.isCompressed, rawSize: header.rawSize, buffer: buffer)
      var frames = FrameIterator(try unpacker.unpack(record))
      while let frame = try frames.next() {
        if let end = try handle(frame) { return end }
      }
    }
  }

  private func handle(_ frame: Frame) throws -> Acknowledgement? {
    var reader = ByteReader(frame.body)
    switch frame.type {
    case .answered: try table.answer(upTo: try reader.u32(), keeping: open)
    case .want:
      let number = try reader.u32()
      guard open.insert(number).inserted else {
        throw ReplicationError.violation("a directory was asked for twice")
      }
      try table.want(number)
    case .close:
      let number = try reader.u32()
      open.remove(number)
      table.close(number)
    case .credit: credits.add(Int(try reader.u32()))
    case .needWhole: try needWhole(&reader)
    case .needDelta: try needDelta(&reader)
    case .sums: try sums(&reader)
    case .contentDigest:
      let file = try files.file(try reader.u32())
      let digest = [UInt8](try reader.bytes(SHA256.byteCount))
      try post(.wholeUnlessEqual(file, digest: digest))
    case .signature: try signature(&reader)
    case .resend:
      let file = try files.file(try reader.u32())
      try resend(file, segment: try reader.u32())
    case .finish:
      let file = try files.file(try reader.u32())
      try post(.finish(file))
    case .item:
      let change = String(decoding: try reader.bytes(11), as: UTF8.self)
      state.item(change, [UInt8](reader.rest()))
    case .warning:
      let path = [UInt8](try reader.bytes(Int(try reader.u16())))
      state.warn(path, printable(reader.rest()))
    case .abort: throw try AbortMessage(decoding: frame.body).error
    case .acknowledgement: return try Acknowledgement(decoding: frame.body)
    default: throw ReplicationError.violation("frame \(frame.type) from a receiver")
    }
    return nil
  }

  private func resend(_ file: SenderFile, segment: UInt32) throws {
    if segment == SegmentLayout.wholeFile { return try post(.wholeAnew(file)) }
    _ = try SegmentLayout(file: file, segment: segment)
    try files.openSegment()
    try post(.resend(file, segment: segment))
  }

  /// The queue is as long as the protocol lets a receiver ask; one that asks for more is ended, so
  /// that this thread never waits for the lanes.
  private func post(_ task: SenderTask) throws {
    guard try tasks.send(task) else {
      throw ReplicationError.violation("more requests than allowed")
    }
  }

  private func entry(_ reader: inout ByteReader) throws -> (DirectoryListing, Int) {
    let listing = try table.listing(try reader.u32())
    let index = Int(try reader.u32())
    guard index < listing.entries.count, listing.entries[index].kind == .regular else {
      throw ReplicationError.violation("a request for an entry that is no file")
    }
    return (listing, index)
  }

  private func needWhole(_ reader: inout ByteReader) throws {
    let request = try reader.u32()
    var place = reader
    let directory = try place.u32()
    let (listing, index) = try entry(&reader)
    let path = listing.path(of: listing.entries[index])
    try post(.whole(request: request, directory: directory, path: path))
  }

  /// Body: request u32 · size of the basis u64 · 1 for in place u8 · of a tree: directory u32 ·
  /// index u32.
  private func needDelta(_ reader: inout ByteReader) throws {
    let request = try reader.u32()
    let basisSize = Int64(clamping: try reader.u64())
    let isInPlace = try reader.u8() == 1
    let file: SenderFile
    if files.isVolume {
      var entry = Entry()
      entry.size = files.volumeSizeBytes
      file = SenderFile(
        request: request, path: [], entry: entry, basisSizeBytes: basisSize, isInPlace: isInPlace,
        volumeProofs: files.volumeProofs)
    } else {
      let (listing, index) = try entry(&reader)
      let entry = listing.entries[index]
      file = SenderFile(
        request: request, path: listing.path(of: entry), entry: entry, basisSizeBytes: basisSize,
        isInPlace: isInPlace)
    }
    try files.add(file)
  }

  private func sums(_ reader: inout ByteReader) throws {
    let file = try files.file(try reader.u32())
    let segment = try reader.u32()
    let layout = try SegmentLayout(file: file, segment: segment)
    let zeroBlocks = [UInt8](try reader.bytes((layout.basisBlockCount + 7) / 8))
    let sums = PageSums(
      segment: segment, zeroBlocks: zeroBlocks, sums: [UInt8](reader.rest()))
    guard sums.sums.count == layout.sumsSize(zeroBlocks: zeroBlocks) else {
      throw ReplicationError.violation("page sums of another length")
    }
    try files.openSegment()
    try post(.segment(file, sums))
  }

  private func signature(_ reader: inout ByteReader) throws {
    let file = try files.file(try reader.u32())
    let segment = try reader.u32()
    let isLast = try reader.u8() == 1
    if let complete = try files.append(
      signature: reader.rest(), isLast: isLast, of: file.request, segment: segment)
    {
      try post(.rolling(file, complete.sums, complete.span, signature: complete.signature))
    }
  }
}

/// Records of the control lane that may still be sent.
final class CreditCounter: @unchecked Sendable {
  private let lock = Lock()
  private let changed: Condition
  private var count: Int
  private var failed = false

  init(count: Int) {
    self.count = count
    changed = Condition(lock)
  }

  func add(_ more: Int) {
    lock.withLock {
      count = min(count + more, WireLimits.controlCredits)
      changed.signal()
    }
  }

  /// Blocks until there is a credit and uses it.
  func take() throws {
    try lock.withLock {
      while count == 0, !failed { changed.wait() }
      if failed { throw ChannelClosed() }
      count -= 1
    }
  }

  func fail() {
    lock.withLock {
      failed = true
      changed.broadcast()
    }
  }
}
