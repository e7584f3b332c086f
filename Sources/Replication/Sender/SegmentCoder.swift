import Cryptography
import DeltaCoding
import FileTree
import Pipelines
import Platform

/// Codes segments of files against the receiver's page sums. Confined to one lane.
///
/// A segment is read once to compare it and to tag its blocks, and once more where it differs.
final class SegmentCoder {
  let builder: RecordBuilder
  private let state: SenderState
  private let sumsKey: XXH3Key
  private let tagsKey: Poly1305Key
  private var proof: SHA256
  private let buffer = UnsafeMutableRawBufferPointer.allocate(
    byteCount: 4 * Granularity.blockSize, alignment: 4096)
  private let deltaBuffers = DeltaBuffers()
  private var runs: [Run] = []
  private var proofBytes: [UInt8] = []

  /// Pages of a segment that differ: literals, or zeros.
  private struct Run {
    var firstPage: Int
    var pageCount: Int
    var isZero: Bool
  }

  init(builder: RecordBuilder, state: SenderState, keys: SessionKeys) throws {
    self.builder = builder
    self.state = state
    sumsKey = try XXH3Key(keys.sums)
    tagsKey = try Poly1305Key(keys.tags)
    proof = try SHA256()
  }

  deinit { buffer.deallocate() }

  /// Codes a segment and gives true, or asks for the signature of a span, which `expect` is told
  /// first.
  func code(
    _ file: SenderFile, _ layout: SegmentLayout, _ sums: PageSums, from source: OpenSource,
    expect: (RollingSpan) throws -> Void
  ) throws -> Bool {
    try compare(layout, sums, source)
    if let span = rollingSpan(file, layout) {
      try expect(span)
      try askRolling(file, layout, span)
      return false
    }
    try send(runs[...], file, layout, source)
    try end(file, layout)
    return true
  }

  /// Codes a segment with one span by rolling over the basis' signature.
  func codeRolling(
    _ file: SenderFile, _ layout: SegmentLayout, _ sums: PageSums, _ span: RollingSpan,
    _ signature: [UInt8], from source: OpenSource
  ) throws {
    try compare(layout, sums, source)
    let firstPage = Int(span.start - layout.start) / Granularity.pageSize
    let endPage = Granularity.pageCount(Int(span.end - layout.start))
    let before = runs.prefix { $0.firstPage < firstPage }
    let after = runs.drop { $0.firstPage < endPage }
    try send(before, file, layout, source)
    let literal = try sendRolled(file, layout, span, signature, source)
    file.recordRolling(spanBytes: Int(span.end - span.start), codedBytes: literal)
    try send(after, file, layout, source)
    try end(file, layout)
  }

  /// Sends a whole segment as it is: after a proof has failed.
  func codeLiteral(_ file: SenderFile, _ layout: SegmentLayout, from source: OpenSource) throws {
    let nothing = PageSums(
      segment: layout.segment,
      zeroBlocks: [UInt8](repeating: 0, count: (layout.basisBlockCount + 7) / 8), sums: [])
    try compare(layout, nothing, source, ignoringSums: true)
    try send(runs[...], file, layout, source)
    try end(file, layout)
  }

  // MARK: Comparing

  private func compare(
    _ layout: SegmentLayout, _ sums: PageSums, _ source: OpenSource, ignoringSums: Bool = false
  ) throws {
    runs.removeAll(keepingCapacity: true)
    proof.reset()
    var sumsOffset = 0
    var loaded = 0..<0
    var data = source.nextData(from: layout.start, end: layout.end)
    for block in 0..<layout.blockCount {
      let start = block * Granularity.blockSize
      let size = min(Granularity.blockSize, layout.size - start)
      let offset = layout.start + Int64(start)
      if data.upperBound <= offset, offset < layout.end {
        data = source.nextData(from: offset, end: layout.end)
      }
      let basisSize = min(size, max(0, layout.basisSize - start))
      let basisIsZero = basisSize > 0 && !ignoringSums && sums.zeroBlocks.hasBit(block)
      let blockSumsSize =
        basisIsZero || ignoringSums
        ? 0
        : Granularity.pageCount(
          min(Granularity.blockSize, max(0, layout.basisSize - start)))
          * Granularity.pageSumLength
      defer { sumsOffset += blockSumsSize }
      if data.lowerBound >= offset + Int64(size) {  // a hole
        addZeros(block, size, keep: basisIsZero && basisSize == size)
        continue
      }
      if !loaded.contains(start) { loaded = try load(start, layout, source) }
      let bytes = UnsafeRawBufferPointer(
        rebasing: buffer[(start - loaded.lowerBound)..<(start - loaded.lowerBound + size)])
      if isAllZero(bytes) {
        addZeros(block, size, keep: basisIsZero && basisSize == size)
        continue
      }
      tagsKey.tag(bytes).update(&proof)
      if basisIsZero {
        comparePagesWithZeros(bytes, block, basisSize)
      } else {
        comparePages(bytes, block, basisSize, sums.sums[sumsOffset..<sumsOffset + blockSumsSize])
      }
    }
    proofBytes = proof.finish()
  }

  /// Reads up to 256 KiB at `start` of the segment.
  private func load(
    _ start: Int, _ layout: SegmentLayout, _ source: OpenSource
  ) throws -> Range<Int> {
    let count = min(buffer.count, layout.size - start)
    let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
    try read(source, into: piece, at: layout.start + Int64(start))
    return start..<start + count
  }

  /// Fills `target`; what a file cut short lacks is zeros, and is found out by its status at the
  /// end.
  private func read(
    _ source: OpenSource, into target: UnsafeMutableRawBufferPointer, at offset: Int64
  ) throws {
    let count = try source.read(into: target, at: offset)
    if count < target.count {
      UnsafeMutableRawBufferPointer(rebasing: target[count...]).initializeMemory(
        as: UInt8.self, repeating: 0)
    }
  }

  private func addZeros(_ block: Int, _ size: Int, keep: Bool) {
    tagsKey.tagOfZeros(count: size).update(&proof)
    if keep { return }
    add(block * Granularity.pagesPerBlock, Granularity.pageCount(size), isZero: true)
  }

  private func comparePages(
    _ bytes: UnsafeRawBufferPointer, _ block: Int, _ basisSize: Int, _ sums: ArraySlice<UInt8>
  ) {
    let firstPage = block * Granularity.pagesPerBlock
    sums.withUnsafeBytes { sums in
      for page in 0..<Granularity.pageCount(bytes.count) {
        let start = page * Granularity.pageSize
        let size = min(Granularity.pageSize, bytes.count - start)
        let sumEnd = (page + 1) * Granularity.pageSumLength
        // A page that is shorter on one side is another page.
        if sumEnd <= sums.count, min(Granularity.pageSize, basisSize - start) == size {
          let own = AlignedComparison.pageSum(
            UnsafeRawBufferPointer(rebasing: bytes[start..<start + size]), key: sumsKey)
          if own == AlignedComparison.loadSum(sums, page: page) { continue }
        }
        add(firstPage + page, 1, isZero: false)
      }
    }
  }

  /// A block of which the basis has nothing but zeros comes without sums.
  private func comparePagesWithZeros(
    _ bytes: UnsafeRawBufferPointer, _ block: Int, _ basisSize: Int
  ) {
    let firstPage = block * Granularity.pagesPerBlock
    for page in 0..<Granularity.pageCount(bytes.count) {
      let start = page * Granularity.pageSize
      let end = min(start + Granularity.pageSize, bytes.count)
      if end <= basisSize, isAllZero(UnsafeRawBufferPointer(rebasing: bytes[start..<end])) {
        continue
      }
      add(firstPage + page, 1, isZero: false)
    }
  }

  private func add(_ page: Int, _ count: Int, isZero: Bool) {
    if let last = runs.last, last.isZero == isZero, last.firstPage + last.pageCount == page {
      runs[runs.count - 1].pageCount += count
    } else {
      runs.append(Run(firstPage: page, pageCount: count, isZero: isZero))
    }
  }

  // MARK: Rolling

  /// Shorter runs of differing pages are sent as they are.
  private static let rollingPageCountMin = 4

  /// The span from the first to the last long run of differing pages, when they are a good part of
  /// the segment: data has moved, rather than pages been rewritten.
  private func rollingSpan(_ file: SenderFile, _ layout: SegmentLayout) -> RollingSpan? {
    guard file.basisSizeBytes > 0, file.shouldTryRolling(segment: layout.segment) else {
      return nil
    }
    // What stands behind the end of the basis is new rather than moved.
    let basisPages = Granularity.pageCount(layout.basisSize)
    let long = runs.filter {
      !$0.isZero && $0.pageCount >= SegmentCoder.rollingPageCountMin && $0.firstPage < basisPages
    }
    let pages = long.reduce(0) { $0 + $1.pageCount }
    guard let first = long.first, let last = long.last,
      pages >= 64 || pages * 4 >= Granularity.pageCount(layout.size)
    else { return nil }
    return RollingSpan(
      start: layout.start + Int64(first.firstPage * Granularity.pageSize),
      end: min(
        layout.end,
        layout.start + Int64((last.firstPage + last.pageCount) * Granularity.pageSize)))
  }

  /// Body: request u32 · segment u32 · window start u64 · window end u64, offsets in the basis.
  private func askRolling(
    _ file: SenderFile, _ layout: SegmentLayout, _ span: RollingSpan
  ) throws {
    let slackMax = Int64(Granularity.segmentSize)
    let shift = min(abs(file.entry.size - file.basisSizeBytes), slackMax)
    let slack = min(max(1 << 20, shift * 2), slackMax)
    let start = min(max(0, span.start - slack), file.basisSizeBytes)
    let end = min(span.end + slack, file.basisSizeBytes)
    try builder.append(.askRolling, size: 24) { writer in
      writer.put(file.request)
      writer.put(layout.segment)
      writer.put(start)
      writer.put(end)
    }
  }

  /// Body: request u32 · span start u64 · span end u64 · piece of the librsync delta. Gives the
  /// bytes of the delta.
  private func sendRolled(
    _ file: SenderFile, _ layout: SegmentLayout, _ span: RollingSpan, _ signature: [UInt8],
    _ source: OpenSource
  ) throws -> Int {
    var position = span.start
    var coded = 0
    try signature.withUnsafeBytes { signature in
      let parsed = try Signature(parsing: signature, buffers: deltaBuffers)
      try Delta.make(
        parsed, buffers: deltaBuffers,
        readChunk: { target in
          let count = min(target.count, Int(span.end - position))
          try self.read(
            source, into: UnsafeMutableRawBufferPointer(rebasing: target[..<count]), at: position)
          position += Int64(count)
          return count
        },
        emit: { bytes in
          coded += bytes.count
          try self.sendDelta(bytes, file, span)
        })
    }
    state.sent(literal: coded, covered: span.end - span.start)
    return coded
  }

  private func sendDelta(
    _ bytes: UnsafeRawBufferPointer, _ file: SenderFile, _ span: RollingSpan
  ) throws {
    var offset = 0
    while offset < bytes.count {
      let room = try builder.roomLeft(atLeast: 1024)
      let count = min(room - 20, bytes.count - offset)
      try builder.append(.rolled, size: 20 + count) { writer in
        writer.put(file.request)
        writer.put(span.start)
        writer.put(span.end)
        writer.put(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count]))
      }
      offset += count
    }
  }

  // MARK: Sending

  private func send(
    _ runs: ArraySlice<Run>, _ file: SenderFile, _ layout: SegmentLayout, _ source: OpenSource
  ) throws {
    for run in runs {
      let start = layout.start + Int64(run.firstPage * Granularity.pageSize)
      let end = min(layout.end, start + Int64(run.pageCount * Granularity.pageSize))
      if run.isZero {
        try builder.append(.zeros, size: 20) { writer in
          writer.put(file.request)
          writer.put(start)
          writer.put(end)
        }
        state.sent(literal: 0, covered: end - start)
      } else {
        try sendLiterals(start, end, file, source)
      }
    }
  }

  private func sendLiterals(
    _ start: Int64, _ end: Int64, _ file: SenderFile, _ source: OpenSource
  ) throws {
    var offset = start
    while offset < end {
      let room = try builder.roomLeft(atLeast: Granularity.pageSize + 12) - 12
      let count = Int(min(Int64(room), end - offset))
      try builder.append(.data, sizeMax: 12 + count) { base in
        let content = UnsafeMutableRawBufferPointer(start: base + 12, count: count)
        try self.read(source, into: content, at: offset)
        var writer = PointerWriter(base)
        writer.put(file.request)
        writer.put(offset)
        return 12 + count
      }
      state.sent(literal: count, covered: Int64(count))
      offset += Int64(count)
    }
  }

  /// Body: request u32 · segment u32 · outcome u8 (``FileEnd/Outcome``) · proof 16: the first half
  /// of the SHA-256 over the tags of the segment's blocks.
  private func end(_ file: SenderFile, _ layout: SegmentLayout) throws {
    file.volumeProofs?.note(proofBytes[..<SegmentProof.size], of: layout.segment)
    try builder.append(.segmentEnd, size: 9 + SegmentProof.size) { writer in
      writer.put(file.request)
      writer.put(layout.segment)
      writer.put(FileEnd.Outcome.complete.rawValue)
      proofBytes.withUnsafeBytes {
        writer.put(UnsafeRawBufferPointer(rebasing: $0[..<SegmentProof.size]))
      }
    }
  }
}

extension SegmentCoder {
  /// Ends a segment of a file that is not as it was listed.
  func fail(_ file: SenderFile, segment: UInt32, _ outcome: FileEnd.Outcome) throws {
    try builder.append(.segmentEnd, size: 9 + SegmentProof.size) { writer in
      writer.put(file.request)
      writer.put(segment)
      writer.put(outcome.rawValue)
      writer.put(UInt64(0))
      writer.put(UInt64(0))
    }
  }
}

/// The proof of a segment.
enum SegmentProof {
  static let size = 16
}

extension Digest128 {
  func update(_ hash: inout SHA256) {
    withUnsafeTemporaryAllocation(byteCount: Digest128.byteCount, alignment: 8) { bytes in
      write(to: bytes.baseAddress.unsafelyUnwrapped)
      hash.update(UnsafeRawBufferPointer(bytes))
    }
  }
}

extension Granularity {
  static let pagesPerBlock = blockSize / pageSize
}
