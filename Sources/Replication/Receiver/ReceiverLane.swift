import Cryptography
import DeltaCoding
import FileTree
import Glibc
import Pipelines
import Platform

/// One data lane of the receiver: unpacks records and writes files. The body of one thread.
final class ReceiverLane {
  private let channel: BoundedChannel<Record>
  private let pool: BufferPool
  private let builder: RecordBuilder
  private let completion: FileCompletion
  private let gate: SegmentGate
  private let unpacker: LaneUnpacker
  private let assembly: SegmentAssembly
  private let whole: WholeFileWriter
  private let writer: TreeWriter?
  private let timer: StageTimer
  private let signatures: RollingSignature

  init(
    channel: BoundedChannel<Record>, pool: BufferPool, builder: RecordBuilder,
    completion: FileCompletion, gate: SegmentGate, writer: TreeWriter?,
    writeBehind: WriteBehind, scratch: TreeScratch, keys: SessionKeys, timer: StageTimer
  ) throws {
    self.channel = channel
    self.pool = pool
    self.builder = builder
    self.completion = completion
    self.gate = gate
    self.writer = writer
    self.timer = timer
    unpacker = try LaneUnpacker()
    assembly = try SegmentAssembly(keys: keys, scratch: scratch)
    whole = try WholeFileWriter(
      completion: completion, builder: builder, writer: writer, writeBehind: writeBehind)
    signatures = RollingSignature(builder: builder)
  }

  func run() throws {
    timer.start()
    defer { timer.stop() }
    while true {
      guard let record = try next() else { return }
      var frames = FrameIterator(try unpacker.unpack(record))
      while let frame = try frames.next() {
        do { try handle(frame) } catch {
          makeRoom(after: error)
          throw error
        }
      }
      pool.giveBack(record.buffer)
    }
  }

  /// Unfinished files stay for the next run to go on from, but not on a full file system.
  private func makeRoom(after error: any Error) {
    let cause: PlatformError? =
      switch error {
      case let error as PlatformError: error
      case ReplicationError.file(let error, _): error
      case TreeError.system(let error, _): error
      default: nil
      }
    guard let cause, cause.errno == ENOSPC || cause.errno == EDQUOT else { return }
    whole.discard()
    assembly.discard(writer)
  }

  private func next() throws -> Record? {
    if let record = try channel.receiveIfReady() { return record }
    try builder.flush()
    return try channel.receive(timer: timer)
  }

  private func handle(_ frame: Frame) throws {
    var reader = ByteReader(frame.body)
    let file = try completion.pending.file(try reader.u32())
    switch frame.type {
    case .file:
      guard file.rebuild == nil || file.isRetried else {
        throw ReplicationError.violation("a whole file where a delta was asked for")
      }
      let end = try FileEnd(decoding: &reader)
      try whole.writeSmall(file, end, reader.rest())
    case .data: try data(file, Int64(bitPattern: try reader.u64()), reader.rest())
    case .zeros:
      let start = Int64(bitPattern: try reader.u64())
      let end = Int64(bitPattern: try reader.u64())
      try enterSegment(file, of: start)
      try assembly.zeros(from: start, to: end)
    case .rolled:
      let start = Int64(bitPattern: try reader.u64())
      let end = Int64(bitPattern: try reader.u64())
      try enterSegment(file, of: start)
      try assembly.rolled(reader.rest(), start: start, end: end)
    case .segmentEnd: try segmentEnd(file, &reader)
    case .askRolling: try askRolling(file, &reader)
    case .fileEnd: try fileEnd(file, try FileEnd(decoding: &reader))
    default: throw ReplicationError.violation("frame \(frame.type) on a data lane")
    }
  }

  private func rebuild(of file: PendingFile) throws -> FileRebuild {
    guard let rebuild = file.rebuild, !file.isRetried else {
      throw ReplicationError.violation("a delta for a file that was asked for whole")
    }
    return rebuild
  }

  private func enterSegment(_ file: PendingFile, of offset: Int64) throws {
    guard offset >= 0 else { throw ReplicationError.violation("negative offset") }
    try enterSegment(file, number: UInt32(clamping: offset / Int64(Granularity.segmentSize)))
  }

  private func enterSegment(_ file: PendingFile, number: UInt32) throws {
    if let current = assembly.current {
      guard current == (file.request, number) else {
        throw ReplicationError.violation("two segments mixed on one lane")
      }
      return
    }
    try assembly.begin(try rebuild(of: file), number)
  }

  private func data(_ file: PendingFile, _ offset: Int64, _ bytes: UnsafeRawBufferPointer) throws {
    guard file.rebuild != nil, !file.isRetried else {
      return try whole.write(file, bytes, at: offset)
    }
    try enterSegment(file, of: offset)
    try assembly.literal(bytes, at: offset)
  }

  private func segmentEnd(_ file: PendingFile, _ reader: inout ByteReader) throws {
    let number = try reader.u32()
    guard let outcome = FileEnd.Outcome(rawValue: try reader.u8()) else {
      throw ReplicationError.violation("end of a segment")
    }
    let proof = try reader.bytes(SegmentProof.size)
    try enterSegment(file, number: number)
    let rebuild = try rebuild(of: file)
    var isProven = false
    if outcome == .complete {
      isProven = try assembly.end(proof: proof)
    } else {
      try assembly.abandon()
    }
    let size = try rebuild.segment(number).layout.size
    if isProven {
      let literal = min(assembly.literalBytes, Int64(size))
      completion.state.received(literal: literal, matched: Int64(size) - literal)
    }
    let step = rebuild.end(
      number, outcome: outcome, isProven: isProven, isDirty: assembly.isDirty,
      isWritten: assembly.isWritten)
    if case .resend = step {} else { gate.leave() }
    try completion.perform(step, file, builder)
  }

  /// Body of the question: segment u32 · window start u64 · window end u64.
  private func askRolling(_ file: PendingFile, _ reader: inout ByteReader) throws {
    let number = try reader.u32()
    let start = Int64(bitPattern: try reader.u64())
    let end = Int64(bitPattern: try reader.u64())
    let rebuild = try rebuild(of: file)
    let segment = try rebuild.segment(number)
    guard start >= 0, start <= end, end <= rebuild.basisSizeBytes,
      end - start <= Int64(3 * Granularity.segmentSize)
    else { throw ReplicationError.violation("a signature of another window") }
    // In place, other segments are being overwritten: only this one's own range is safe to copy
    // from.
    let own = segment.layout.start..<segment.layout.start + Int64(segment.layout.basisSize)
    let window = rebuild.isInPlace ? (start..<end).clamped(to: own) : start..<end
    rebuild.setWindow(window, of: number)
    try signatures.send(rebuild, number, window)
  }

  private func fileEnd(_ file: PendingFile, _ end: FileEnd) throws {
    guard let rebuild = file.rebuild, !file.isRetried else { return try whole.end(file, end) }
    switch try rebuild.verdict(end.outcome) {
    case .commit: try commit(file, rebuild, end)
    case .commitAsChanged:
      var end = end
      end.outcome = .changed
      try commit(file, rebuild, end)
    case .askWhole: try completion.perform(.askWhole, file, builder)
    case .drop(let outcome): try takeBack(file, rebuild, outcome)
    }
  }

  /// Leaves a file as it was: the sender could not read it to its end.
  private func takeBack(
    _ file: PendingFile, _ rebuild: FileRebuild, _ outcome: FileEnd.Outcome
  ) throws {
    guard let listing = file.listing, let writer else {
      throw ReplicationError.violation("a volume that came in parts only")
    }
    let parent = try writer.directories.descriptor(of: listing.path)
    do throws(PlatformError) {
      try rebuild.takeBack(in: parent)
    } catch {
      throw ReplicationError.file(error, path: file.path)
    }
    if outcome == .changed { completion.warnOfChange(file, tell: builder) }
    completion.drop(file)
  }

  /// Puts a proved file in place of the old one.
  private func commit(_ file: PendingFile, _ rebuild: FileRebuild, _ end: FileEnd) throws {
    guard let listing = file.listing, let writer else {
      if end.outcome == .changed { completion.warnOfChange(file, tell: builder) }
      // A volume is rewritten in place: nothing of it comes from elsewhere.
      _ = try assembly.complete(rebuild)
      return try completion.done(file, tell: builder)
    }
    let entry = completion.finalEntry(file, end, tell: builder)
    let parent = try writer.directories.descriptor(of: listing.path)
    let name = listing.cName(of: entry)
    func path() -> [UInt8] { file.path }
    if !rebuild.isInPlace, rebuild.isIdentical, rebuild.mayStay(directory: parent, name: name) {
      if let temporary = rebuild.temporaryName { _ = unlinkat(parent, temporary, 0) }
      writer.attributes.apply(
        entry, in: listing, directory: parent, name: name, path: path)
      completion.drop(file)
      return
    }
    let isComplete: Bool
    do throws(PlatformError) {
      isComplete = try assembly.complete(rebuild)
    } catch {
      throw ReplicationError.file(error, path: path())
    }
    // Somebody writes here: the file is left out, and told as one that changed.
    guard isComplete else { return try takeBack(file, rebuild, .changed) }
    writer.attributes.apply(
      entry, in: listing, to: rebuild.targetDescriptor, path: path)
    if let temporary = rebuild.temporaryName {
      try writer.rename(parent, temporary, to: name, path: path)
    }
    FileSystem.startWriteback(rebuild.targetDescriptor, offset: 0, length: 0)
    try completion.done(file, tell: builder)
  }
}

/// Makes signatures of windows of a basis for rolling. Confined to one lane.
final class RollingSignature {
  private let builder: RecordBuilder
  private let buffers = DeltaBuffers()

  init(builder: RecordBuilder) { self.builder = builder }

  /// Small windows get small blocks: what has moved there is often a few lines.
  private func blockLength(_ size: Int64) -> Int {
    switch size {
    case ..<(256 << 10): 512
    case ..<(4 << 20): 1024
    default: 2048
    }
  }

  /// Body: request u32 · segment u32 · last u8 · piece of the librsync signature.
  func send(_ rebuild: FileRebuild, _ number: UInt32, _ window: Range<Int64>) throws {
    let size = window.upperBound - window.lowerBound
    let blockLength = blockLength(size)
    let basis = try rebuild.openBasis()
    var place = window.lowerBound
    try Signature.make(
      blockLength: blockLength,
      strongLength: Signature.strongLength(basisSize: UInt64(size), blockLength: blockLength),
      buffers: buffers,
      readChunk: { target in
        let count = Int(min(Int64(target.count), window.upperBound - place))
        let read = try FileIO.read(
          basis.descriptor.raw,
          into: UnsafeMutableRawBufferPointer(rebasing: target[..<count]), at: place)
        place += Int64(read)
        return read
      },
      emit: { try self.send($0, rebuild.request, number, isLast: false) })
    try send(UnsafeRawBufferPointer(start: nil, count: 0), rebuild.request, number, isLast: true)
  }

  private func send(
    _ bytes: UnsafeRawBufferPointer, _ request: UInt32, _ number: UInt32, isLast: Bool
  ) throws {
    var offset = 0
    repeat {
      let room = try builder.roomLeft(atLeast: 1024)
      let count = min(room - 9, bytes.count - offset)
      try builder.append(.signature, size: 9 + count) { writer in
        writer.put(request)
        writer.put(number)
        writer.put(UInt8(isLast ? 1 : 0))
        writer.put(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count]))
      }
      offset += count
    } while offset < bytes.count
  }
}
