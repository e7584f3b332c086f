import CJSON

/// Reads the JSON of index files into flat arrays. One thread; the arrays are reused.
///
/// Source: the restic repository format, "indexing".
final class IndexReader {
  /// Entries of one file: a full index (50,000) with the longest pack header on top (about 410,000)
  /// has a ninth of it.
  static let entryCountMax = 1 << 22

  private let reader: OpaquePointer

  init() {
    guard let reader = drover_index_reader_create() else {
      preconditionFailure("no memory for the reader of index files")
    }
    self.reader = reader
  }

  deinit { drover_index_reader_free(reader) }

  /// Reads one text. The result points into the reader and holds until its next call.
  ///
  /// Unknown keys are skipped; entries in packs of `packs_to_delete` carry a section of their own.
  /// - Throws: `IndexError.corrupt`.
  func read(
    _ text: IndexText, of id: IndexID, compression: StoredCompression = .allowed
  ) throws(IndexError) -> ParsedIndex {
    var content = drover_index_content()
    let bytes = text.bytes
    let code = drover_index_read(
      reader, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count,
      IndexReader.entryCountMax, &content)
    guard code == DROVER_INDEX_OK else {
      throw .corrupt(id, reason: reason(code), position: content.error_position)
    }
    if content.any_compressed != 0, compression == .refused {
      throw .corrupt(
        id, reason: "compressed blobs in a repository of version 1", position: 0)
    }
    let parsed = ParsedIndex(
      entries: UnsafeBufferPointer(start: content.entries, count: content.entry_count),
      packs: UnsafeBufferPointer(start: content.packs, count: content.pack_count))
    for entry in parsed.entries where !isPlausible(entry) {
      throw .corrupt(
        id, reason: "blob \(BlobID(words: entry.id).short) has an impossible place", position: 0)
    }
    return parsed
  }

  /// A sealed blob has 32 bytes of overhead, and a pack less than 4 GiB.
  private func isPlausible(_ entry: EntryRecord) -> Bool {
    entry.sealed_length >= 32
      && UInt64(entry.offset) + UInt64(entry.sealed_length) <= UInt64(UInt32.max)
  }

  private func reason(_ code: Int32) -> String {
    switch code {
    case DROVER_INDEX_TYPE: "a value has the wrong type"
    case DROVER_INDEX_ID: "an identifier is not 64 lower-case hexadecimal digits"
    case DROVER_INDEX_NUMBER: "a number is negative, a fraction or not below 2^32"
    case DROVER_INDEX_MISSING: "a field is missing"
    case DROVER_INDEX_REPEATED: "a field stands twice"
    case DROVER_INDEX_BLOB_TYPE: "a blob is neither data nor tree"
    case DROVER_INDEX_TOO_MANY: "it lists more than \(IndexReader.entryCountMax) blobs or packs"
    case DROVER_INDEX_MEMORY: "there is not enough memory to read it"
    default: "it is not well-formed JSON"
    }
  }
}

/// Whether a repository may hold compressed blobs: from version 2 on.
enum StoredCompression: Sendable {
  case allowed
  case refused
}

/// What one index file lists, in its order.
struct ParsedIndex {
  /// All entries; those of one pack stand together.
  let entries: UnsafeBufferPointer<EntryRecord>
  let packs: UnsafeBufferPointer<drover_index_pack>

  /// The packs with their blobs, for who writes an index file anew.
  func listedPacks() -> [ParsedPack] {
    packs.map { pack in
      ParsedPack(
        id: PackID(words: pack.id), isMarked: pack.is_marked != 0,
        blobs: entries(of: pack).map { PackedBlob($0) })
    }
  }

  func entries(of pack: drover_index_pack) -> UnsafeBufferPointer<EntryRecord> {
    let first = Int(pack.first_entry)
    return UnsafeBufferPointer(rebasing: entries[first..<first + Int(pack.entry_count)])
  }
}

/// A pack as one index file lists it.
struct ParsedPack: Hashable, Sendable {
  let id: PackID
  /// Listed in `packs_to_delete`.
  let isMarked: Bool
  /// In the order of the file.
  let blobs: [PackedBlob]
}
