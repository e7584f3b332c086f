import Cryptography
import ObjectStorage
import Platform

/// MD5 over a content and, when the size of its parts is given, over each of them.
final class DigestRun {
  private var whole: MessageDigest
  private var part: MessageDigest?
  private let partSizeBytes: Int64?
  private var filledBytes: Int64 = 0
  private var partMD5s: [[UInt8]] = []
  private(set) var sizeBytes: Int64 = 0

  init(partSizeBytes: Int64? = nil) throws(MirrorError) {
    do throws(CryptographyError) {
      whole = try MessageDigest(.md5)
      part = partSizeBytes == nil ? nil : try MessageDigest(.md5)
    } catch {
      throw .store(.cryptography(error))
    }
    self.partSizeBytes = partSizeBytes
  }

  func update(_ bytes: UnsafeRawBufferPointer) {
    whole.update(bytes)
    sizeBytes += Int64(bytes.count)
    guard let partSizeBytes else { return }
    var rest = bytes
    while !rest.isEmpty {
      let count = Int(min(Int64(rest.count), partSizeBytes - filledBytes))
      part?.update(UnsafeRawBufferPointer(rebasing: rest[..<count]))
      filledBytes += Int64(count)
      if filledBytes == partSizeBytes { endPart() }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  private func endPart() {
    partMD5s.append(part?.finish() ?? [])
    filledBytes = 0
  }

  /// The digests; the run starts anew.
  func finish() -> ContentDigests {
    var digests = ContentDigests(md5: whole.finish(), partSizeBytes: partSizeBytes)
    sizeBytes = 0
    guard partSizeBytes != nil else { return digests }
    if filledBytes > 0 || partMD5s.isEmpty { endPart() }
    for md5 in partMD5s { md5.withUnsafeBytes { part?.update($0) } }
    digests.multipartETag = "\(hex(part?.finish() ?? []))-\(partMD5s.count)"
    digests.partMD5s = partMD5s
    partMD5s = []
    return digests
  }
}
