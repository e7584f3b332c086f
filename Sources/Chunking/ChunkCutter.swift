import Glibc

/// Cuts one file after the other into chunks while its bytes arrive in blocks of any length.
///
/// The same cuts as ``CutPlanner`` makes, on one thread and without looking at the first 512 KiB
/// less 64 bytes of a chunk. Remembers the last 64 bytes; nothing else is copied.
package struct ChunkCutter: ~Copyable {
  private let scanner: BoundaryScanner
  /// The last 64 bytes of the chunk in hand, as far as it has so many, and room for the first 63
  /// of the next block.
  private let bridge: UnsafeMutableRawPointer
  /// Bytes of the chunk in hand so far.
  package private(set) var chunkByteCount = 0

  private static let window = ChunkerTables.windowByteCount

  package init(_ tables: ChunkerTables) {
    scanner = BoundaryScanner(tables)
    bridge = .allocate(byteCount: 2 * ChunkCutter.window, alignment: 64)
    _ = memset(bridge, 0, 2 * ChunkCutter.window)
  }

  deinit { bridge.deallocate() }

  /// Adds the next bytes of the file, up to the end of a chunk.
  ///
  /// Returns how many of the bytes belong to the chunk when it ends among them: the caller goes on
  /// with the rest. Nil when the chunk takes all of them and may go on.
  package mutating func advance(_ block: UnsafeRawBufferPointer) -> Int? {
    let least = max(1, ChunkLimits.byteCountMin - chunkByteCount)
    let most = ChunkLimits.byteCountMax - chunkByteCount
    if least <= block.count, let cut = firstCandidate(block, least, min(most, block.count)) {
      chunkByteCount = 0
      return cut
    }
    if most <= block.count {
      chunkByteCount = 0
      return most
    }
    remember(block)
    chunkByteCount += block.count
    return nil
  }

  /// Ends the file, and returns the length of its last chunk: 0 when one has just ended.
  package mutating func finish() -> Int {
    let count = chunkByteCount
    chunkByteCount = 0
    return count
  }

  private func firstCandidate(
    _ block: UnsafeRawBufferPointer, _ least: Int, _ most: Int
  ) -> Int? {
    let window = ChunkCutter.window
    if least < window, let base = block.baseAddress {
      // Windows that begin in earlier blocks.
      let last = min(most, window - 1)
      memcpy(bridge + window, base, last)
      let bytes = UnsafeRawBufferPointer(start: bridge, count: window + last)
      let ends = window + least..<window + last + 1
      if let end = scanner.firstCandidate(in: bytes, ends: ends) { return end - window }
    }
    let first = max(least, window)
    guard first <= most else { return nil }
    return scanner.firstCandidate(in: block, ends: first..<most + 1)
  }

  private func remember(_ block: UnsafeRawBufferPointer) {
    guard let base = block.baseAddress else { return }
    let window = ChunkCutter.window
    if block.count >= window {
      memcpy(bridge, base + (block.count - window), window)
    } else {
      memmove(bridge, bridge + block.count, window - block.count)
      memcpy(bridge + (window - block.count), base, block.count)
    }
  }
}
