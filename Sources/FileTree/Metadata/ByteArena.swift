/// A growing run of bytes that entries of one directory point into. Strings in it end in NUL, so
/// that they go to system calls as they are.
package struct ByteArena: ~Copyable {
  package private(set) var count = 0
  private var memory: UnsafeMutableRawBufferPointer

  package init(capacity: Int = 1024) {
    memory = .allocate(byteCount: capacity, alignment: 8)
  }

  deinit { memory.deallocate() }

  /// Bytes held from the system.
  package var capacity: Int { memory.count }

  private mutating func reserve(_ more: Int) {
    guard count + more > memory.count else { return }
    let grown = UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(count + more, memory.count * 2), alignment: 8)
    grown.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[..<count]))
    memory.deallocate()
    memory = grown
  }

  /// Appends bytes and a NUL; gives the offset of the first.
  package mutating func appendString(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    let offset = append(bytes)
    reserve(1)
    memory[count] = 0
    count += 1
    return offset
  }

  package mutating func append(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    reserve(bytes.count)
    let offset = UInt32(count)
    if let source = bytes.baseAddress, let base = memory.baseAddress {
      (base + count).copyMemory(from: source, byteCount: bytes.count)
    }
    count += bytes.count
    return offset
  }

  /// Borrowed bytes; valid until the next append.
  package func bytes(at offset: UInt32, count length: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: memory[Int(offset)..<Int(offset) + length])
  }

  /// The string at `offset`; valid until the next append.
  package func cString(at offset: UInt32) -> UnsafePointer<CChar> {
    UnsafeRawPointer(memory.baseAddress.unsafelyUnwrapped + Int(offset))
      .assumingMemoryBound(to: CChar.self)
  }
}
