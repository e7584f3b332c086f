import Cryptography
import Glibc
import Platform

/// Geometry of a segment file: pages of one size, each with a tag of its own.
///
/// | offset | size | meaning |
/// | --- | --- | --- |
/// | 0 | 4080 | records: 85 entries of 48 bytes, 102 rows of 40, or 510 fences of 8 |
/// | 4080 | 16 | HMAC-SHA-256 of segment, page number and records, its first half |
enum IndexPage {
  /// The page of the machine, so that a look-up touches one.
  static let byteCount = 4096
  static let payloadByteCount = byteCount - tagByteCount
  static let tagByteCount = 16

  static let entriesPerPage = payloadByteCount / MemoryLayout<EntryRecord>.stride
  static let rowsPerPage = payloadByteCount / MemoryLayout<RowRecord>.stride
  static let fencesPerPage = payloadByteCount / MemoryLayout<UInt64>.stride

  /// Pages that `count` records take.
  static func pageCount(_ count: Int, perPage: Int) -> Int { (count + perPage - 1) / perPage }
}

/// Makes and checks the tags of pages. One thread.
///
/// A page is trusted only after its tag was checked, and the key comes from the repository: neither
/// a fault of the disk nor a prepared file can make a blob seem stored. The tag binds the page to
/// its segment and place, so pages cannot be exchanged.
final class PageAuthenticator {
  /// Bytes of the key.
  static let keyByteCount = 32
  /// Bytes of the random name of a segment.
  static let nonceByteCount = 16
  private static let blockByteCount = 64

  private var hash: SHA256
  private let innerBlock: [UInt8]
  private let outerBlock: [UInt8]

  init(key: [UInt8]) throws(IndexError) {
    precondition(key.count == PageAuthenticator.keyByteCount, "a key of pages has 32 bytes")
    do { hash = try SHA256() } catch { throw .cryptography(error) }
    let block = key + [UInt8](repeating: 0, count: PageAuthenticator.blockByteCount - key.count)
    innerBlock = block.map { $0 ^ 0x36 }
    outerBlock = block.map { $0 ^ 0x5c }
  }

  /// The tag over the records of `page`; RFC 2104 over nonce, number, records.
  private func tag(
    _ page: UnsafeRawPointer, number: Int, nonce: [UInt8]
  ) -> (UInt64, UInt64) {
    var place = UInt64(number).littleEndian
    innerBlock.withUnsafeBytes { hash.update($0) }
    nonce.withUnsafeBytes { hash.update($0) }
    withUnsafeBytes(of: &place) { hash.update($0) }
    hash.update(UnsafeRawBufferPointer(start: page, count: IndexPage.payloadByteCount))
    let inner = hash.finish()
    outerBlock.withUnsafeBytes { hash.update($0) }
    inner.withUnsafeBytes { hash.update($0) }
    return hash.finish().withUnsafeBytes {
      ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }
  }

  /// Writes the tag of a page behind its records.
  func seal(_ page: UnsafeMutableRawPointer, number: Int, nonce: [UInt8]) {
    let tag = tag(page, number: number, nonce: nonce)
    page.storeBytes(of: tag.0, toByteOffset: IndexPage.payloadByteCount, as: UInt64.self)
    page.storeBytes(of: tag.1, toByteOffset: IndexPage.payloadByteCount + 8, as: UInt64.self)
  }

  /// Whether the page is as it was written.
  func isAuthentic(_ page: UnsafeRawPointer, number: Int, nonce: [UInt8]) -> Bool {
    let expected = tag(page, number: number, nonce: nonce)
    let first = page.loadUnaligned(fromByteOffset: IndexPage.payloadByteCount, as: UInt64.self)
    let second = page.loadUnaligned(
      fromByteOffset: IndexPage.payloadByteCount + 8, as: UInt64.self)
    return (expected.0 ^ first) | (expected.1 ^ second) == 0
  }
}

/// The key of a repository's cache, and authenticators that threads lend each other.
final class PageKey: Sendable {
  private let key: [UInt8]
  private let lock = Lock()
  private nonisolated(unsafe) var idle: [PageAuthenticator] = []

  /// Derives the key from a secret of the repository (its master key) and from the repository's
  /// identifier, so that a cache serves that repository alone.
  init(secret: [UInt8], repository: [UInt8]) throws(IndexError) {
    do {
      key = try deriveKey(
        secret: secret, label: "drover index cache 1 \(hex(repository))",
        count: PageAuthenticator.keyByteCount)
    } catch {
      throw .cryptography(error)
    }
  }

  func with<R>(_ body: (PageAuthenticator) -> R) throws(IndexError) -> R {
    let authenticator: PageAuthenticator
    if let known = lock.withLock({ idle.popLast() }) {
      authenticator = known
    } else {
      authenticator = try PageAuthenticator(key: key)
    }
    defer { lock.withLock { idle.append(authenticator) } }
    return body(authenticator)
  }
}
