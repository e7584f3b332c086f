/// Writes an index file, pack by pack, as restic does.
///
/// `{"packs":[{"id":…,"blobs":[{"id":…,"type":…,"offset":…,"length":…,"uncompressed_length":…}]}]}`
/// and a newline. `uncompressed_length` is left out when a blob is not compressed; in a repository
/// of version 1 it may not stand.
///
/// What else index files may hold: `supersedes`, a list of index files that this one replaces, was
/// written by old programs and is ignored, because whoever replaces a file also deletes it.
/// `packs_to_delete` has the form of `packs` with a `time` for each pack: packs that are marked to
/// be deleted later, which restic does not see. It can be written here behind all others.
/// Source: the restic repository format, "index".
package struct IndexFileWriter {
  /// After how many blobs a program that writes an index finishes it and starts the next.
  package static let blobCountFull = 50_000
  /// An index that is rewritten counts as too large from here on: a full one, and the pack that was
  /// added last.
  package static let blobCountOversized = blobCountFull + PackHeader.entryCountMax
  /// After how long an unfinished index is written anyway, seconds.
  package static let ageSecondsMax = 600

  private enum Section { case packs, marked }

  private var json = GoJSON()
  private var section = Section.packs
  private var isFirstPack = true
  /// Blobs that were written so far.
  package private(set) var blobCount = 0
  package private(set) var packCount = 0

  /// An index file that lists nothing.
  static let emptyText = Array("{\"packs\":[]}\n".utf8)

  package init() { start() }

  package var isFull: Bool { blobCount >= IndexFileWriter.blobCountFull }

  /// Bytes written so far.
  package var byteCount: Int { json.bytes.count }

  private mutating func start() { json.raw(#"{"packs":["#) }

  /// Writes all blobs of one pack; a pack stands in one index file only, and once.
  package mutating func append(_ pack: PackID, _ entries: some Sequence<PackEntry>) {
    precondition(section == .packs, "packs stand before the marked ones")
    beginPack(pack)
    appendBlobs(entries)
    json.raw("}")
  }

  /// Writes a pack that a later prune is to delete, and since when it is marked.
  package mutating func append(
    marked pack: PackID, since time: GoTime, _ entries: some Sequence<PackEntry>
  ) {
    if section == .packs {
      json.raw(#"],"packs_to_delete":["#)
      section = .marked
      isFirstPack = true
    }
    beginPack(pack)
    appendBlobs(entries)
    json.raw(#","time":""#)
    time.append(to: &json)
    json.raw("\"}")
  }

  private mutating func beginPack(_ pack: PackID) {
    if !isFirstPack { json.raw(",") }
    isFirstPack = false
    packCount += 1
    json.raw(#"{"id":"#)
    json.identifier(pack)
  }

  private mutating func appendBlobs(_ entries: some Sequence<PackEntry>) {
    json.raw(#","blobs":["#)
    var isFirst = true
    for entry in entries {
      if !isFirst { json.raw(",") }
      isFirst = false
      blobCount += 1
      json.raw(#"{"id":"#)
      json.identifier(entry.handle.id)
      json.raw(
        entry.handle.type == .data ? #","type":"data","offset":"# : #","type":"tree","offset":"#)
      json.number(UInt64(entry.offset))
      json.raw(#","length":"#)
      json.number(UInt64(entry.sealedLength))
      if entry.isCompressed {
        json.raw(#","uncompressed_length":"#)
        json.number(UInt64(entry.plaintextLength))
      }
      json.raw("}")
    }
    json.raw("]")
  }

  /// The whole text; the writer is empty afterwards and starts the next file.
  package mutating func finish() -> [UInt8] {
    json.raw("]}\n")
    let text = json.take()
    (section, isFirstPack, blobCount, packCount) = (.packs, true, 0, 0)
    start()
    return text
  }
}
