package import Compression

/// The framing of index, snapshot and lock files inside of their seal.
///
/// Version 1: the JSON. Version 2: the byte 2 and one zstd frame, or the JSON as it is when its
/// first byte is `{` or `[`, which is what a repository holds that was upgraded. Nothing stays
/// nothing. The config is never framed.
/// Source: the restic repository format, "unpacked files".
package enum UnpackedFile {
  /// The first byte of a compressed file.
  static let compressedMark: UInt8 = 2
  /// Largest file after decompression: an index of a million blobs, twenty times what programs
  /// write, has about 200 MiB.
  package static let byteCountMax = 512 << 20

  /// The JSON of an opened file.
  /// - Throws: `RepositoryError.corrupt`, `.compression`.
  package static func content(
    of plaintext: UnsafeRawBufferPointer, part: RepositoryPart, version: RepositoryVersion,
    decompressor: BlobDecompressor
  ) throws(RepositoryError) -> [UInt8] {
    guard let first = plaintext.first else { return [] }
    if version == .v1 || first == UInt8(ascii: "{") || first == UInt8(ascii: "[") {
      return Array(plaintext)
    }
    guard first == compressedMark else {
      throw .corrupt(part, place: "", reason: "an unknown form of contents (\(first))")
    }
    let frame = UnsafeRawBufferPointer(rebasing: plaintext[1...])
    do throws(CompressionError) {
      return try decompressor.decompress(frame, byteCountMax: byteCountMax)
    } catch {
      throw .corrupt(part, place: "", reason: error.message)
    }
  }

  /// The plaintext to seal for a JSON text. Version 2 is always compressed, whatever is chosen for
  /// data.
  /// - Throws: `RepositoryError.compression`.
  package static func plaintext(
    of json: [UInt8], version: RepositoryVersion, compressor: BlobCompressor
  ) throws(RepositoryError) -> [UInt8] {
    guard version != .v1, !json.isEmpty else { return json }
    var failure: CompressionError?
    let room = BlobCompressor.bound(json.count)
    let bytes = json.withUnsafeBytes { text in
      [UInt8](unsafeUninitializedCapacity: room + 1) { buffer, count in
        let target = UnsafeMutableRawBufferPointer(buffer)
        target[0] = compressedMark
        do throws(CompressionError) {
          let frame = UnsafeMutableRawBufferPointer(rebasing: target[1...])
          count = try compressor.compress(text, into: frame) + 1
        } catch {
          failure = error
        }
      }
    }
    if let failure { throw .compression(failure, what: "a file of the repository") }
    return bytes
  }
}
