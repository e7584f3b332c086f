package import Platform

/// A file or a directory of one side, as its listing gives it.
package struct MirrorEntry: Sendable, Equatable {
  package enum Kind: Sendable {
    case file
    case directory
    /// A symbolic link that is kept as a small file; its key ends in ``linkSuffix``.
    case link
  }

  /// What the key of a link has behind the link's name.
  package static let linkSuffix = Array(".rclonelink".utf8)

  package var kind: Kind
  /// Below the root, names as `readdir(3)` gives them. Never absolute, no element `.` or `..`.
  package var path: [UInt8]
  /// As a store has it, below the prefix; that of a directory ends in a slash. Listings are in the
  /// order of these bytes.
  package var key: [UInt8]
  /// 0 for directories.
  package var sizeBytes: Int64
  /// Of a file: its time. Of an object: when it was stored, which is not the file's time.
  package var modified: WallTime?
  /// Without quotes; empty for files.
  package var etag: String
  /// Of a file; nil for objects.
  package var file: FileIdentity?

  package init(
    _ kind: Kind, path: [UInt8], key: [UInt8], sizeBytes: Int64 = 0, modified: WallTime? = nil,
    etag: String = "", file: FileIdentity? = nil
  ) {
    self.kind = kind
    self.path = path
    self.key = key
    self.sizeBytes = sizeBytes
    self.modified = modified
    self.etag = etag
    self.file = file
  }

  package var isDirectory: Bool { kind == .directory }

  /// Bytes that it holds on to in a queue.
  var weight: Int { 144 + path.count + key.count }

  /// Negative when `a` comes first.
  package static func order(_ a: MirrorEntry, _ b: MirrorEntry) -> Int {
    let common = min(a.key.count, b.key.count)
    return a.key.withUnsafeBytes { first in
      b.key.withUnsafeBytes { second in
        for index in 0..<common where first[index] != second[index] {
          return Int(first[index]) - Int(second[index])
        }
        return first.count - second.count
      }
    }
  }
}

/// What a listing tells besides its entries.
package enum ListingRemark: Sendable {
  /// Something that takes part could not be read, so the listing is not whole.
  case failed(MirrorError)
  /// Left out on purpose: a link, a device, a socket; a key that cannot be a path.
  case passedOver(name: [UInt8], reason: String)
}
