import Cryptography
import Platform

/// MD5 over a content and, when the size of its parts is given, over each of them. Bytes are hashed
/// beside those of other threads; without parts up to 512 KiB are kept for that.
final class DigestRun {
  private enum Form {
    case whole(MD5Stream)
    case parts(whole: MD5Message, part: MD5Message, sizeBytes: Int64)
  }

  private let form: Form
  private var filledBytes: Int64 = 0
  private var partMD5s: [[UInt8]] = []
  private(set) var sizeBytes: Int64 = 0

  init(partSizeBytes: Int64? = nil) {
    form =
      if let partSizeBytes {
        .parts(whole: MD5Message(), part: MD5Message(), sizeBytes: partSizeBytes)
      } else {
        .whole(MD5Stream())
      }
  }

  func update(_ bytes: UnsafeRawBufferPointer) {
    sizeBytes += Int64(bytes.count)
    guard case .parts(let whole, let part, let partSizeBytes) = form else {
      if case .whole(let stream) = form { stream.update(bytes) }
      return
    }
    var rest = bytes
    while !rest.isEmpty {
      let count = Int(min(Int64(rest.count), partSizeBytes - filledBytes))
      MD5Combiner.shared.update(whole, part, UnsafeRawBufferPointer(rebasing: rest[..<count]))
      filledBytes += Int64(count)
      if filledBytes == partSizeBytes { end(part) }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  private func end(_ part: MD5Message) {
    partMD5s.append(part.finish())
    filledBytes = 0
  }

  /// The digests; the run starts anew.
  func finish() -> ContentDigests {
    sizeBytes = 0
    switch form {
    case .whole(let stream): return ContentDigests(md5: stream.finish())
    case .parts(let whole, let part, let partSizeBytes):
      var digests = ContentDigests(md5: whole.finish(), partSizeBytes: partSizeBytes)
      if filledBytes > 0 || partMD5s.isEmpty { end(part) }
      for md5 in partMD5s { md5.withUnsafeBytes { part.update($0) } }
      digests.multipartETag = "\(hex(part.finish()))-\(partMD5s.count)"
      digests.partMD5s = partMD5s
      partMD5s = []
      return digests
    }
  }
}
