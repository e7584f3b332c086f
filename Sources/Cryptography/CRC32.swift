/// Cyclic redundancy checks of 32 bits, as object stores take them: they find accidents.
package struct CRC32: Sendable {
  package enum Polynomial: Sendable, CaseIterable {
    /// Of zlib and IEEE 802.3.
    case ieee
    /// CRC-32C, Castagnoli: RFC 3720, appendix B.4.
    case castagnoli

    fileprivate var reflected: UInt32 {
      switch self {
      case .ieee: 0xedb8_8320
      case .castagnoli: 0x82f6_3b78
      }
    }

    fileprivate var tables: [UInt32] {
      switch self {
      case .ieee: ieeeTables
      case .castagnoli: castagnoliTables
      }
    }
  }

  private let tables: [UInt32]
  private var register: UInt32 = ~0

  package init(_ polynomial: Polynomial) { tables = polynomial.tables }

  /// Adds bytes, eight at a time.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    var value = register
    unsafe tables.withUnsafeBufferPointer { table in
      var index = 0
      while index + 8 <= bytes.count {
        let word = unsafe UInt64(
          littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
        let low = value ^ UInt32(truncatingIfNeeded: word)
        let high = UInt32(truncatingIfNeeded: word >> 32)
        value = unsafe table[1792 + Int(low & 255)] ^ table[1536 + Int(low >> 8 & 255)]
        unsafe value ^= table[1280 + Int(low >> 16 & 255)] ^ table[1024 + Int(low >> 24)]
        unsafe value ^= table[768 + Int(high & 255)] ^ table[512 + Int(high >> 8 & 255)]
        unsafe value ^= table[256 + Int(high >> 16 & 255)] ^ table[Int(high >> 24)]
        index += 8
      }
      while index < bytes.count {
        unsafe value = table[Int((value ^ UInt32(bytes[index])) & 255)] ^ value >> 8
        index += 1
      }
    }
    register = value
  }

  /// The check of the bytes so far.
  package var value: UInt32 { ~register }

  /// The four bytes of ``value``, the most significant first.
  package var bytes: [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }

  fileprivate static func makeTables(_ polynomial: UInt32) -> [UInt32] {
    var tables = [UInt32](repeating: 0, count: 8 * 256)
    for index in 0..<256 {
      var value = UInt32(index)
      for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ polynomial : value >> 1 }
      tables[index] = value
    }
    for index in 256..<tables.count {
      let previous = tables[index - 256]
      tables[index] = tables[Int(previous & 255)] ^ previous >> 8
    }
    return tables
  }
}

private let ieeeTables = CRC32.makeTables(CRC32.Polynomial.ieee.reflected)
private let castagnoliTables = CRC32.makeTables(CRC32.Polynomial.castagnoli.reflected)
