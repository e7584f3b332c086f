import Compression
import FileTree
import Pipelines
import Platform

/// Collects frames of one lane into records and hands full ones to the writer. Confined to one
/// thread.
final class RecordBuilder {
  private let lane: Int
  private let output: RecordOutput
  private let timer: StageTimer?
  private var compressor: LaneCompressor?
  private var buffer: PooledBuffer?
  /// Where the thread of this builder tells that it works.
  var activity: SessionActivity { output.activity }
  /// Called before a record is handed over; the control lane waits for its credit here.
  var beforeSend: (() throws -> Void)?

  init(
    lane: Int, output: RecordOutput, timer: StageTimer? = nil, compressor: LaneCompressor? = nil
  ) {
    self.lane = lane
    self.output = output
    self.timer = timer
    self.compressor = compressor
  }

  /// Largest body that fits an empty record.
  static let bodySizeMax = WireLimits.recordSizeMax - 4

  /// A buffer with room for a frame with a body of `size` bytes.
  private func room(_ size: Int) throws -> PooledBuffer {
    precondition(size <= RecordBuilder.bodySizeMax, "frame larger than a record")
    if let buffer {
      if WireLimits.recordSizeMax - buffer.count >= size + 4 { return buffer }
      try flush()
    }
    let fresh = try output.pool.take(timer: timer)
    buffer = fresh
    return fresh
  }

  /// Body bytes that still fit the record under way; the whole of an empty one when less than
  /// `least`.
  func roomLeft(atLeast least: Int) throws -> Int {
    if let buffer {
      let left = WireLimits.recordSizeMax - buffer.count - 4
      if left >= least { return left }
      try flush()
    }
    return RecordBuilder.bodySizeMax
  }

  /// Appends a frame whose body of exactly `size` bytes `fill` writes.
  func append(_ type: FrameType, size: Int, _ fill: (inout PointerWriter) -> Void) throws {
    try append(type, sizeMax: size) { base in
      var writer = PointerWriter(base)
      fill(&writer)
      return writer.offset
    }
  }

  /// Appends a frame whose body `fill` writes, up to `sizeMax` bytes; it gives the size used.
  func append(
    _ type: FrameType, sizeMax: Int, _ fill: (UnsafeMutableRawPointer) throws -> Int
  ) throws {
    let buffer = try room(sizeMax)
    let start = buffer.bytes.baseAddress.unsafelyUnwrapped + buffer.count
    let size = try fill(start + 4)
    precondition(size <= sizeMax, "frame overran its room")
    let head = UInt32(size) | UInt32(type.rawValue) << 24
    start.storeBytes(of: head.littleEndian, as: UInt32.self)
    buffer.count += 4 + size
  }

  var hasContent: Bool { (buffer?.count ?? 0) > 0 }

  /// Hands over what was collected.
  func flush() throws {
    guard let full = buffer, full.count > 0 else { return }
    buffer = nil
    let rawSize = full.count
    var record = Record(lane: lane, isCompressed: false, rawSize: rawSize, buffer: full)
    if let packed = try compressor?.compress(full, pool: output.pool, timer: timer) {
      output.pool.giveBack(full)
      record.buffer = packed
      record.isCompressed = true
    }
    try beforeSend?()
    try output.send(record, timer: timer)
  }
}

/// Compresses the records of one lane as one zstd stream. Confined to one thread.
final class LaneCompressor {
  private var stream: ZstdStreamCompressor
  private let control: CompressionControl
  /// Records too small to gain from compression stay as they are.
  private static let sizeMin = 128

  init(control: CompressionControl) throws {
    stream = try ZstdStreamCompressor()
    self.control = control
  }

  func compress(
    _ raw: PooledBuffer, pool: BufferPool, timer: StageTimer?
  ) throws -> PooledBuffer? {
    guard raw.count >= LaneCompressor.sizeMin, let level = control.level,
      !Compressibility.looksIncompressible(raw.filled)
    else {
      control.recordUncompressed(raw.count)
      return nil
    }
    let packed = try pool.take(timer: timer)
    let start = threadCPUNanoseconds()
    packed.count = try stream.compress(raw.filled, into: packed.bytes, level: level)
    control.record(
      rawBytes: raw.count,
      seconds: Double(threadCPUNanoseconds() - start) / 1e9)
    return packed
  }
}
