/// Writes little-endian values to memory that the caller has sized.
package struct PointerWriter {
  private let base: UnsafeMutableRawPointer
  package private(set) var offset = 0

  package init(_ base: UnsafeMutableRawPointer) { self.base = base }

  package mutating func put<Value: FixedWidthInteger>(_ value: Value) {
    base.storeBytes(of: value.littleEndian, toByteOffset: offset, as: Value.self)
    offset += MemoryLayout<Value>.size
  }

  package mutating func put(_ bytes: UnsafeRawBufferPointer) {
    if let source = bytes.baseAddress {
      (base + offset).copyMemory(from: source, byteCount: bytes.count)
    }
    offset += bytes.count
  }

  /// Lets `fill` write exactly `size` bytes.
  package mutating func put(size: Int, _ fill: (UnsafeMutableRawPointer) -> Void) {
    fill(base + offset)
    offset += size
  }
}

/// Reads little-endian values from bytes of unknown origin; every read is checked.
package struct ByteReader {
  private let buffer: UnsafeRawBufferPointer
  package private(set) var offset = 0

  package init(_ buffer: UnsafeRawBufferPointer) { self.buffer = buffer }

  package var remaining: Int { buffer.count - offset }

  private mutating func load<Value: FixedWidthInteger>(_: Value.Type) throws(TreeError) -> Value {
    guard remaining >= MemoryLayout<Value>.size else { throw .malformed("cut short") }
    defer { offset += MemoryLayout<Value>.size }
    return Value(littleEndian: buffer.loadUnaligned(fromByteOffset: offset, as: Value.self))
  }

  package mutating func u8() throws(TreeError) -> UInt8 { try load(UInt8.self) }
  package mutating func u16() throws(TreeError) -> UInt16 { try load(UInt16.self) }
  package mutating func u32() throws(TreeError) -> UInt32 { try load(UInt32.self) }
  package mutating func u64() throws(TreeError) -> UInt64 { try load(UInt64.self) }

  package mutating func bytes(_ count: Int) throws(TreeError) -> UnsafeRawBufferPointer {
    guard count >= 0, remaining >= count else { throw .malformed("cut short") }
    defer { offset += count }
    return UnsafeRawBufferPointer(rebasing: buffer[offset..<offset + count])
  }

  package mutating func rest() -> UnsafeRawBufferPointer {
    defer { offset = buffer.count }
    return UnsafeRawBufferPointer(rebasing: buffer[offset...])
  }
}
