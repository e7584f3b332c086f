import FileTree

/// What one side of a comparison holds.
package struct SideSummary: Sendable {
  /// Entries, the root included.
  package internal(set) var entryCount: Int64 = 0
  package internal(set) var directoryCount: Int64 = 0
  package internal(set) var fileCount: Int64 = 0
  /// Sum of the sizes of all regular files, each hard-linked one counted once; a volume's size.
  package internal(set) var sizeBytes: Int64 = 0
  /// Digest without content; nil for a volume and when an entry could not be read.
  package internal(set) var quickDigest: [UInt8]?
  /// Digest with content, SHA-256 of the bytes for a volume; nil when not all content was read.
  package internal(set) var fullDigest: [UInt8]?
}

/// Counts one tree and computes its digests as directories come in walk order.
final class SideDigest {
  private(set) var summary = SideSummary()
  private var quick: DigestOfProfile?
  private var full: DigestOfProfile?

  init(hasContent: Bool, hasOwners: Bool) throws {
    quick = try DigestOfProfile(TreeDigestProfile(hasContent: false, hasOwners: hasOwners))
    guard hasContent else { return }
    full = try DigestOfProfile(TreeDigestProfile(hasContent: true, hasOwners: hasOwners))
  }

  func add(_ listing: DirectoryListing, _ hashed: HashedListing?) throws {
    summary.directoryCount += 1
    if listing.path.isEmpty {
      summary.entryCount += 1
      let own = listing.ownEntryListing()
      quick?.add(own, nil)
      if full?.add(own, nil) == false { full = nil }
    }
    for entry in listing.entries where !entry.isLeftover {
      summary.entryCount += 1
      guard entry.kind == .regular else { continue }
      summary.fileCount += 1
      if entry.linkPath.count == 0 { summary.sizeBytes += entry.size }
    }
    if listing.isIncomplete {
      quick = nil
      full = nil
    }
    quick?.add(listing, nil)
    if full?.add(listing, hashed) == false { full = nil }
  }

  func finish() -> SideSummary {
    summary.quickDigest = quick?.finish()
    summary.fullDigest = full?.finish()
    return summary
  }
}

/// The running digest of one profile.
private final class DigestOfProfile {
  private let profile: TreeDigestProfile
  private var directory: DirectoryDigester
  private var tree: TreeDigester

  init(_ profile: TreeDigestProfile) throws {
    self.profile = profile
    directory = try DirectoryDigester(profile: profile)
    tree = try TreeDigester()
  }

  /// False when the profile needs content that is not there.
  @discardableResult
  func add(_ listing: DirectoryListing, _ hashed: HashedListing?) -> Bool {
    directory.reset()
    for (index, entry) in listing.entries.enumerated() where !entry.isLeftover {
      directory.update(entry, in: listing)
      guard profile.hasContent, DirectoryDigester.needsContent(entry) else { continue }
      guard case .success(let content)? = hashed?.contents[index] else { return false }
      content.withUnsafeBytes { directory.update($0) }
    }
    tree.add(path: listing.path, digest: directory.finish())
    return true
  }

  func finish() -> [UInt8] { tree.finish() }
}
