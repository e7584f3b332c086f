import Platform

/// A large file that is open for all destinations that send it.
final class SharedFile: @unchecked Sendable {
  let content: any SourceContent
  /// Nil when one destination alone reads it.
  let window: ContentWindow?
  let hashes: Bool
  private let lock = Lock()
  // Guarded by `lock`, which is held while digests are made: others wait for them.
  private var known: ContentDigests?

  init(_ content: any SourceContent, window: ContentWindow?, hashes: Bool) {
    (self.content, self.window, self.hashes) = (content, window, hashes)
  }

  /// What one destination reads for itself.
  func contentForReader() -> any SourceContent { content.forAnotherReader() }

  func knownDigests(partSizeBytes: Int64) -> ContentDigests? {
    lock.withLock { known?.partSizeBytes == partSizeBytes ? known : nil }
  }

  /// Reads the content for its digests, unless that was done before. Parts of another size than
  /// those known cost another read.
  func digests(partSizeBytes: Int64? = nil) throws(MirrorError) -> ContentDigests {
    try lock.withLock { () throws(MirrorError) in
      if let known, partSizeBytes == nil || known.partSizeBytes == partSizeBytes { return known }
      let content = contentForReader()
      let digests = try content.digests(partSizeBytes: partSizeBytes)
      try content.checkUnchanged()
      known = digests
      window?.needsNoDigest()
      return digests
    }
  }
}
