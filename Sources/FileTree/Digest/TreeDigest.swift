package import Cryptography

/// Digests of directories and trees over the canonical encoding of their entries (``EntryCodec``).
///
/// A directory's digest is the first half (16 bytes) of the SHA-256 of the encodings of its entries in byte order of their names;
/// profile `quick`: no file content. A tree's digest is the SHA-256 of, in walk order (preorder,
/// directories in byte order): u16 length of the path, path, and the directory's digest; the root's own
/// entry, with an empty name, comes first. Leftovers of interrupted runs do not count.
package struct DirectoryDigester: ~Copyable {
  private var hash: SHA256
  private var scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 8)

  package init() throws(CryptographyError) { hash = try SHA256() }

  deinit { scratch.deallocate() }

  /// Bytes of a directory's digest.
  package static let size = 16

  /// The `quick` digest of a listing.
  package mutating func digest(_ listing: DirectoryListing) -> [UInt8] {
    hash.reset()
    for entry in listing.entries where !entry.isLeftover { update(entry, in: listing) }
    return finish()
  }

  package mutating func reset() { hash.reset() }

  package mutating func update(_ entry: Entry, in listing: DirectoryListing) {
    let size = EntryCodec.encodedSize(entry)
    if size > scratch.count {
      scratch.deallocate()
      scratch = .allocate(byteCount: size * 2, alignment: 8)
    }
    guard let base = scratch.baseAddress else { return }
    let count = EntryCodec.encode(entry, in: listing, into: base)
    hash.update(UnsafeRawBufferPointer(start: base, count: count))
  }

  package mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bytes) }

  package mutating func finish() -> [UInt8] {
    [UInt8](hash.finish()[..<DirectoryDigester.size])
  }
}

/// The running digest of a whole tree.
package struct TreeDigester: ~Copyable {
  private var hash: SHA256

  package init() throws(CryptographyError) { hash = try SHA256() }

  package mutating func add(path: [UInt8], digest: [UInt8]) {
    withUnsafeBytes(of: UInt16(path.count).littleEndian) { hash.update($0) }
    path.withUnsafeBytes { hash.update($0) }
    digest.withUnsafeBytes { hash.update($0) }
  }

  package mutating func finish() -> [UInt8] { hash.finish() }
}
