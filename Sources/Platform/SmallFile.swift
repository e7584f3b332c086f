import Glibc

/// Whole files of a bounded size: manifests, keys.
package enum SmallFile {
  /// Reads the file at `path`, or standard input for `-`.
  ///
  /// Calls `open` and `read`. Blocks.
  /// - Throws: ``PlatformError``; `EFBIG` when the file is longer than `sizeBytesMax`.
  package static func read(_ path: String, sizeBytesMax: Int) throws(PlatformError) -> [UInt8] {
    guard path != "-" else {
      return try read(descriptor: 0, subject: "standard input", sizeBytesMax: sizeBytesMax)
    }
    let raw = retryingOnInterrupt { open(path, O_RDONLY | O_CLOEXEC) }
    guard raw >= 0 else { throw .last("open", path) }
    let descriptor = Descriptor(owning: raw)
    return try read(descriptor: descriptor.raw, subject: path, sizeBytesMax: sizeBytesMax)
  }

  /// Reads an open descriptor to its end.
  package static func read(
    descriptor: Int32, subject: String, sizeBytesMax: Int
  ) throws(PlatformError) -> [UInt8] {
    var content: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = piece.withUnsafeMutableBytes { buffer in
        retryingOnInterrupt { Glibc.read(descriptor, buffer.baseAddress, buffer.count) }
      }
      guard count >= 0 else { throw .last("read", subject) }
      if count == 0 { return content }
      guard content.count + count <= sizeBytesMax else {
        throw PlatformError("read", subject, errno: EFBIG)
      }
      content.append(contentsOf: piece[..<count])
    }
  }

  /// Writes all of `bytes` to an open descriptor. Blocks.
  package static func write(
    _ bytes: [UInt8], to descriptor: Int32, subject: String
  ) throws(PlatformError) {
    var offset = 0
    while offset < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        retryingOnInterrupt {
          Glibc.write(descriptor, buffer.baseAddress.map { $0 + offset }, buffer.count - offset)
        }
      }
      guard count >= 0 else { throw .last("write", subject) }
      offset += count
    }
  }
}
