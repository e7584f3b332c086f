import Cryptography
package import HTTPClient
import Platform

/// A body with what is known of it, so that nothing is read again for a digest that its owner has.
package struct S3Body: Sendable {
  package var content: HTTPBody
  package var md5: [UInt8]?
  package var sha256: [UInt8]?
  /// The check of ``S3Options/checksum``.
  package var checksum: [UInt8]?
  /// Neither read for a digest before it is sent nor covered by the signature: whoever sends it
  /// compares what the store tells of it.
  package var isUnsigned = false

  package init(
    _ content: HTTPBody, md5: [UInt8]? = nil, sha256: [UInt8]? = nil, checksum: [UInt8]? = nil
  ) {
    self.content = content
    self.md5 = md5
    self.sha256 = sha256
    self.checksum = checksum
  }

  package init(_ bytes: [UInt8]) { self.init(HTTPBody(bytes)) }

  package var sizeBytes: Int64 { content.sizeBytes }

  /// Reads the content once for all the digests that are wanted and not known.
  mutating func digest(
    md5 wantsMD5: Bool, sha256 wantsSHA256: Bool, checksum algorithm: S3ChecksumAlgorithm?
  ) throws(S3Error) {
    let wantsSHA256 = wantsSHA256 && sha256 == nil || algorithm == .sha256 && checksum == nil
    var run = try S3DigestRun(
      md5: wantsMD5 && md5 == nil, sha256: wantsSHA256 && sha256 == nil,
      checksum: checksum == nil ? algorithm : nil)
    if run.isNeeded {
      do throws(HTTPError) {
        try content.forEachPiece { run.update($0) }
      } catch {
        throw .from(error, .putObject, "")
      }
    }
    md5 = run.finishMD5() ?? md5
    sha256 = run.finishSHA256() ?? sha256
    if checksum == nil { checksum = algorithm == .sha256 ? sha256 : run.finishChecksum() }
  }
}

/// Several digests over the same bytes.
struct S3DigestRun: ~Copyable {
  private let md5: MD5Message?
  private var sha256: MessageDigest?
  private var sha1: MessageDigest?
  private var check: CRC32?
  let isNeeded: Bool

  init(md5: Bool, sha256: Bool, checksum: S3ChecksumAlgorithm?) throws(S3Error) {
    do throws(CryptographyError) {
      self.md5 = md5 ? MD5Message() : nil
      self.sha256 = sha256 ? try MessageDigest(.sha256) : nil
      self.sha1 = checksum == .sha1 ? try MessageDigest(.sha1) : nil
    } catch {
      throw .cryptography(error)
    }
    switch checksum {
    case .crc32: check = CRC32(.ieee)
    case .crc32c: check = CRC32(.castagnoli)
    case .sha1, .sha256, nil: check = nil
    }
    isNeeded = md5 || sha256 || checksum == .sha1 || check != nil
  }

  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    // Beside the parts that other threads send.
    if let md5 { MD5Combiner.shared.update(md5, bytes) }
    sha256?.update(bytes)
    sha1?.update(bytes)
    check?.update(bytes)
  }

  func finishMD5() -> [UInt8]? { md5?.finish() }
  mutating func finishSHA256() -> [UInt8]? { sha256?.finish() }
  mutating func finishChecksum() -> [UInt8]? { sha1?.finish() ?? check?.bytes }
}
