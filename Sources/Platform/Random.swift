import Glibc

/// Random bytes of the kernel.
package enum SecureRandom {
  package static func fill(_ buffer: UnsafeMutableRawBufferPointer) {
    var offset = 0
    while offset < buffer.count {
      let piece = min(256, buffer.count - offset)
      guard let base = buffer.baseAddress else { return }
      let code = getentropy(base + offset, piece)
      precondition(code == 0, "getentropy failed")
      offset += piece
    }
  }

  package static func bytes(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      fill(UnsafeMutableRawBufferPointer(buffer))
      initialized = count
    }
  }

  package static func integer() -> UInt64 {
    var value: UInt64 = 0
    withUnsafeMutableBytes(of: &value) { fill($0) }
    return value
  }
}
