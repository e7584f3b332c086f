import Cryptography
import DeltaCoding
import FileTree
import Glibc
import Pipelines
import Platform
import TreeComparison

/// Reads the basis of each file that goes as a delta and sends its page sums, a bounded number of
/// segments ahead of the answers. The body of one or more threads.
final class SignatureStage {
  private let channel: BoundedChannel<PendingFile>
  private let builder: RecordBuilder
  private let gate: SegmentGate
  private let completion: FileCompletion
  private let writer: TreeWriter?
  private let sumsKey: XXH3Key
  private let tagsKey: Poly1305Key
  private let timer: StageTimer
  private let buffer = UnsafeMutableRawBufferPointer.allocate(
    byteCount: 4 * Granularity.blockSize, alignment: 4096)
  private let content: ContentHash
  private var sums: [UInt8] = []

  init(
    channel: BoundedChannel<PendingFile>, builder: RecordBuilder, gate: SegmentGate,
    completion: FileCompletion, writer: TreeWriter?, keys: SessionKeys, timer: StageTimer
  ) throws {
    self.channel = channel
    self.builder = builder
    self.gate = gate
    self.completion = completion
    self.writer = writer
    self.timer = timer
    sumsKey = try XXH3Key(keys.sums)
    tagsKey = try Poly1305Key(keys.tags)
    content = try ContentHash()
  }

  deinit { buffer.deallocate() }

  func run() throws {
    timer.start()
    defer { timer.stop() }
    while true {
      if let file = try channel.receiveIfReady() {
        try sign(file)
        continue
      }
      try builder.flush()
      guard let file = try channel.receive(timer: timer) else { return }
      try sign(file)
    }
  }

  private func sign(_ file: PendingFile) throws {
    if let hashed = file.hashed { return try sendDigest(of: hashed, file) }
    guard let rebuild = file.rebuild else { return }
    if let listing = file.listing, let writer {
      do throws(PlatformError) {
        let directory: Int32
        do throws(TreeError) {
          directory = try writer.directories.descriptor(of: listing.path)
        } catch {
          guard case .system(let cause, _) = error else { return }
          throw cause
        }
        try rebuild.open(in: directory)
      } catch {
        if error.errno == ENOSPC || error.errno == EROFS || error.errno == EDQUOT {
          throw ReplicationError.file(error, path: file.path)
        }
        return try completion.perform(.askWhole, file, builder)
      }
    }
    for number in 0..<SegmentLayout.count(sizeBytes: rebuild.sizeBytes) {
      if rebuild.isGivenUp { break }
      try gate.enter(timer: timer) { try self.builder.flush() }
      try sendSums(rebuild, number)
    }
    try completion.perform(rebuild.completeRequests(), file, builder)
  }

  /// Body: request u32 · SHA-256 of the content that stands here 32.
  private func sendDigest(of hashed: HashedBasis, _ file: PendingFile) throws {
    // A directory that cannot be opened holds nothing to compare: the lane that writes will tell.
    guard let listing = file.listing,
      let directory = try? writer?.directories.descriptor(of: listing.path),
      let digest = hashed.digest(in: directory, content, builder.activity)
    else { return try completion.perform(.askWhole, file, builder) }
    try builder.append(.contentDigest, size: 4 + digest.count) { writer in
      writer.put(file.request)
      digest.withUnsafeBytes { writer.put($0) }
    }
  }

  /// Body: request u32 · segment u32 · one bit a block that is all zero · 4 bytes a page of the
  /// others.
  private func sendSums(_ rebuild: FileRebuild, _ number: UInt32) throws {
    let layout = try SegmentLayout(
      sizeBytes: rebuild.sizeBytes, basisSizeBytes: rebuild.basisSizeBytes, segment: number)
    var zeroBlocks = [UInt8](repeating: 0, count: (layout.basisBlockCount + 7) / 8)
    var tags: [UInt8] = []
    sums.removeAll(keepingCapacity: true)
    var loaded = 0..<0
    let end = layout.start + Int64(layout.basisSize)
    let basis = try rebuild.openBasis()
    var data = basis.data(from: layout.start, end: end)
    for block in 0..<layout.basisBlockCount {
      let start = block * Granularity.blockSize
      let size = min(Granularity.blockSize, layout.basisSize - start)
      let offset = layout.start + Int64(start)
      if data.upperBound <= offset { data = basis.data(from: offset, end: end) }
      if data.lowerBound >= offset + Int64(size) {
        note(zero: block, size, &zeroBlocks, &tags, rebuild.keepsBlocks)
        continue
      }
      if !loaded.contains(start) { loaded = try load(start, layout, basis) }
      let bytes = UnsafeRawBufferPointer(
        rebasing: buffer[(start - loaded.lowerBound)..<(start - loaded.lowerBound + size)])
      if isAllZero(bytes) {
        note(zero: block, size, &zeroBlocks, &tags, rebuild.keepsBlocks)
        continue
      }
      appendSums(of: bytes)
      if rebuild.keepsBlocks { append(tagsKey.tag(bytes), to: &tags) }
    }
    rebuild.begin(FileRebuild.BasisSegment(layout: layout, zeroBlocks: zeroBlocks, tags: tags))
    let sums = sums
    try builder.append(.sums, size: 8 + zeroBlocks.count + sums.count) { writer in
      writer.put(rebuild.request)
      writer.put(number)
      zeroBlocks.withUnsafeBytes { writer.put($0) }
      sums.withUnsafeBytes { writer.put($0) }
    }
  }

  private func note(
    zero block: Int, _ size: Int, _ zeroBlocks: inout [UInt8], _ tags: inout [UInt8],
    _ wantsTags: Bool
  ) {
    zeroBlocks.setBit(block)
    if wantsTags { append(tagsKey.tagOfZeros(count: size), to: &tags) }
  }

  private func append(_ tag: Digest128, to tags: inout [UInt8]) {
    withUnsafeTemporaryAllocation(byteCount: Digest128.byteCount, alignment: 8) { bytes in
      tag.write(to: bytes.baseAddress.unsafelyUnwrapped)
      tags.append(contentsOf: bytes)
    }
  }

  private func appendSums(of bytes: UnsafeRawBufferPointer) {
    let count = Granularity.pageCount(bytes.count) * Granularity.pageSumLength
    withUnsafeTemporaryAllocation(byteCount: count, alignment: 8) { target in
      AlignedComparison.pageSums(of: bytes, key: sumsKey, into: target)
      sums.append(contentsOf: target)
    }
  }

  private func load(
    _ start: Int, _ layout: SegmentLayout, _ basis: BasisFile
  ) throws -> Range<Int> {
    let count = min(buffer.count, layout.basisSize - start)
    let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
    let read = try basis.read(into: piece, at: layout.start + Int64(start))
    if read < count {
      UnsafeMutableRawBufferPointer(rebasing: piece[read...]).initializeMemory(
        as: UInt8.self, repeating: 0)
    }
    return start..<start + count
  }
}

/// Bounds the segments under way in a session.
final class SegmentGate: @unchecked Sendable {
  private let lock = Lock()
  private let changed: Condition
  private var count = WireLimits.segmentCountMax
  private var failed = false

  init() { changed = Condition(lock) }

  func enter(timer: StageTimer, beforeWait: () throws -> Void) throws {
    lock.lock()
    if count == 0, !failed {
      lock.unlock()
      try beforeWait()
      lock.lock()
      let start = MonotonicTime.now()
      while count == 0, !failed { changed.wait() }
      timer.addOutputWait(since: start)
    }
    defer { lock.unlock() }
    if failed { throw ChannelClosed() }
    count -= 1
  }

  func leave() {
    lock.withLock {
      count += 1
      changed.signal()
    }
  }

  func fail() {
    lock.withLock {
      failed = true
      changed.broadcast()
    }
  }
}
