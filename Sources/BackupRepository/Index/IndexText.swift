import CJSON

/// The JSON text of one index file, in memory that the next text reuses. One thread.
final class IndexText {
  /// The longest text that is read. A file of 50,000 blobs has 10 MB; the largest that restic
  /// leaves (a pack's full header on top of a full index) about 90.
  static let byteCountMax = 512 << 20

  private var memory = UnsafeMutableRawBufferPointer.allocate(
    byteCount: 64 << 10, alignment: 64)
  private(set) var byteCount = 0

  deinit { memory.deallocate() }

  /// Makes room for `byteCount` bytes, to be filled by the caller; what was inside is lost.
  ///
  /// - Returns: nil when `byteCount` is negative or above ``byteCountMax``.
  func resize(to byteCount: Int) -> UnsafeMutableRawBufferPointer? {
    guard byteCount >= 0, byteCount <= IndexText.byteCountMax else { return nil }
    let needed = byteCount + drover_index_padding
    if memory.count < needed {
      memory.deallocate()
      memory = .allocate(byteCount: needed + needed / 4, alignment: 64)
    }
    self.byteCount = byteCount
    for offset in byteCount..<needed { memory[offset] = 0x20 }
    return UnsafeMutableRawBufferPointer(rebasing: memory[..<byteCount])
  }

  /// Takes a copy of `bytes`; false when they are too many.
  func assign(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let target = resize(to: bytes.count) else { return false }
    target.copyMemory(from: bytes)
    return true
  }

  /// The text; behind it stand `drover_index_padding` readable bytes.
  var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(memory)[..<byteCount])
  }
}
