package import Cryptography

/// What a digest of a tree covers. Two trees have the same digest of a profile when, and for all
/// that is known of SHA-256 only when, they are equal in what the profile covers.
package struct TreeDigestProfile: Sendable, Equatable {
  /// The content of regular files takes part.
  package let hasContent: Bool
  /// User and group of each entry take part; without, both count as 0.
  package let hasOwners: Bool

  package init(hasContent: Bool, hasOwners: Bool = true) {
    self.hasContent = hasContent
    self.hasOwners = hasOwners
  }

  /// All attributes, sizes and times, no content: what the directory digests of a session are.
  package static let quick = TreeDigestProfile(hasContent: false)
  /// All attributes and the content.
  package static let full = TreeDigestProfile(hasContent: true)

  /// The name in reports.
  package var name: String {
    (hasContent ? "full" : "quick") + (hasOwners ? "" : "-without-owners")
  }
}

/// Digests of directories and trees over the canonical encoding of their entries (``EntryCodec``).
///
/// A directory's digest is the first half (16 bytes) of the SHA-256 of the encodings of its entries
/// in byte order of their names. In a profile with content the encoding of each regular file that
/// is the first of its hard-link group, or alone, is followed by the 32 bytes of the SHA-256 of its
/// content, holes as zeros; a further name of a group has its link path instead.
///
/// A tree's digest is the SHA-256 of, in walk order (preorder, directories in byte order): u16
/// length of the path, path, and the directory's digest; the digest of the root's own entry, with
/// an empty name, comes first. Leftovers of interrupted runs do not count.
package struct DirectoryDigester: ~Copyable {
  private var hash: SHA256
  private var scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 8)
  private let profile: TreeDigestProfile

  package init(profile: TreeDigestProfile = .quick) throws(CryptographyError) {
    self.profile = profile
    hash = try SHA256()
  }

  deinit { scratch.deallocate() }

  /// Bytes of a directory's digest.
  package static let size = 16

  /// The digest of a listing without content.
  package mutating func digest(_ listing: DirectoryListing) -> [UInt8] {
    precondition(!profile.hasContent, "the profile needs the content of each file")
    hash.reset()
    for entry in listing.entries where !entry.isLeftover { update(entry, in: listing) }
    return finish()
  }

  /// Whether the profile wants the content of an entry.
  package static func needsContent(_ entry: Entry) -> Bool {
    entry.kind == .regular && entry.linkPath.count == 0 && !entry.isLeftover
  }

  package mutating func reset() { hash.reset() }

  /// Adds the encoding of an entry; what the profile wants of its content comes after by
  /// ``update(_:)``.
  package mutating func update(_ entry: Entry, in listing: DirectoryListing) {
    let size = EntryCodec.encodedSize(entry)
    if size > scratch.count {
      scratch.deallocate()
      scratch = .allocate(byteCount: size * 2, alignment: 8)
    }
    guard let base = scratch.baseAddress else { return }
    var entry = entry
    if !profile.hasOwners {
      entry.userID = 0
      entry.groupID = 0
    }
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
