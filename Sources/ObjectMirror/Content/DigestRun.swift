import Cryptography
import Platform

/// MD5 over a content and, when the size of its parts is given, over each of them.
final class DigestRun {
  private let whole = MD5Message()
  private let part: MD5Message?
  private let partSizeBytes: Int64?
  private var filledBytes: Int64 = 0
  private var partMD5s: [[UInt8]] = []
  private(set) var sizeBytes: Int64 = 0

  init(partSizeBytes: Int64? = nil) {
    part = partSizeBytes == nil ? nil : MD5Message()
    self.partSizeBytes = partSizeBytes
  }

  /// Adds bytes; they are hashed beside those of other threads.
  func update(_ bytes: UnsafeRawBufferPointer) {
    sizeBytes += Int64(bytes.count)
    guard let part, let partSizeBytes else { return MD5Combiner.shared.update(whole, bytes) }
    var rest = bytes
    while !rest.isEmpty {
      let count = Int(min(Int64(rest.count), partSizeBytes - filledBytes))
      MD5Combiner.shared.update(whole, part, UnsafeRawBufferPointer(rebasing: rest[..<count]))
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
