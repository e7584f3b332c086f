/// What a remote is, ready to be opened by somebody else.
///
/// Further types, `crypt` first, become further cases, which hold the remote that they wrap.
package enum Remote: Sendable, Equatable {
  /// A directory; the path is absolute and clean.
  case local(path: String, LocalRemoteOptions)
  case s3(S3RemoteOptions, BucketPath)
}

/// A bucket and the path in it.
package struct BucketPath: Sendable, Hashable {
  /// Empty for the list of buckets.
  package let bucket: String
  /// Without slashes at its ends; empty for the whole bucket. Not yet encoded as a key.
  package let path: String

  package init(bucket: String, path: String = "") {
    self.bucket = bucket
    self.path = path
  }

  /// Takes a remote's path apart; slashes at its ends do not count.
  ///
  /// - Throws: `.syntax` for an element `.`, `..` or an empty one, which versions of rclone
  ///   understand in different ways, and for a NUL.
  init(_ text: String, of remote: String) throws(RemoteError) {
    let inner = text.utf8.drop { $0 == 0x2f }
    guard let last = inner.lastIndex(where: { $0 != 0x2f }) else {
      self.init(bucket: "")
      return
    }
    let elements = inner[...last].split(separator: 0x2f, omittingEmptySubsequences: false)
    for element in elements {
      let isDots = element.count <= 2 && element.allSatisfy { $0 == UInt8(ascii: ".") }
      if isDots || element.contains(0) {
        throw .syntax(
          remote: remote, problem: "the path has an element that is empty, . or .., or a NUL")
      }
    }
    let texts = elements.map { String(decoding: $0, as: UTF8.self) }
    self.init(bucket: texts[0], path: texts.dropFirst().joined(separator: "/"))
  }
}

/// Options of a local directory.
package struct LocalRemoteOptions: Sendable, Hashable {
  /// Follow symbolic links (`copy_links`).
  package var followsLinks = false
  /// Keep links as small files named `.rclonelink` (`links`).
  package var storesLinks = false
  /// No notice about links that are left out (`skip_links`).
  package var skipsLinksSilently = false
  package var staysOnFileSystem = false
  /// A source that changes while it is read is no failure (`no_check_updated`).
  package var allowsChangingSources = false
  /// Times of what is written are left as they come (`no_set_modtime`).
  package var leavesTimesAlone = false
  package var normalizesUnicode = false
  /// Set-uid, set-gid and sticky bits are restored (`metadata_restore_special_bits`).
  package var restoresSpecialBits = false
  package var encoding = NameEncoding.local

  package init() {}

  init(_ reader: OptionReader) throws(RemoteError) {
    followsLinks = try reader.truth("copy_links", hasShortName: true)
    storesLinks = try reader.truth("links", hasShortName: true)
    skipsLinksSilently = try reader.truth("skip_links", hasShortName: true)
    staysOnFileSystem = try reader.truth("one_file_system", hasShortName: true)
    allowsChangingSources = try reader.truth("no_check_updated")
    leavesTimesAlone = try reader.truth("no_set_modtime")
    normalizesUnicode = try reader.truth("unicode_normalization")
    restoresSpecialBits = try reader.truth("metadata_restore_special_bits")
    encoding = try NameEncoding(reader, default: .local)
    if followsLinks, storesLinks {
      let origin = try reader.find("links", hasShortName: true)?.origin ?? .connection
      throw .badValue(
        remote: reader.remote, option: "links", origin,
        problem: "links can be followed or stored, not both")
    }
  }
}
