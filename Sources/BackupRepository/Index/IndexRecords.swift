import CJSON

/// One blob in one pack: 48 bytes, also the form on disk (little-endian).
///
/// | offset | size | meaning |
/// | --- | --- | --- |
/// | 0 | 32 | identifier as four words, each big-endian in meaning |
/// | 32 | 4 | row of the pack; above bit 30 the section, in parsed files and runs only |
/// | 36 | 4 | offset in the pack |
/// | 40 | 4 | sealed length |
/// | 44 | 4 | plaintext length, 0 when not compressed |
typealias EntryRecord = drover_index_entry

/// A row of the tables of packs and of index files: 40 bytes.
///
/// | offset | size | meaning |
/// | --- | --- | --- |
/// | 0 | 32 | identifier |
/// | 32 | 4 | packs: number of the index file that lists it |
/// | 36 | 4 | count of entries; packs: highest bit set when listed in `packs_to_delete` |
typealias RowRecord = drover_index_row

/// The sorted parts of a segment: what may be served and what only prune looks at.
enum IndexSection: Int, CaseIterable {
  case data = 0
  case tree = 1
  /// In packs that are marked for deletion (`packs_to_delete`).
  case markedData = 2
  case markedTree = 3

  init(_ type: BlobType, marked: Bool = false) {
    switch (type, marked) {
    case (.data, false): self = .data
    case (.tree, false): self = .tree
    case (.data, true): self = .markedData
    case (.tree, true): self = .markedTree
    }
  }

  var type: BlobType { self == .data || self == .markedData ? .data : .tree }
  var isMarked: Bool { rawValue >= 2 }
}

extension EntryRecord {
  /// Packs that one segment can number; two bits of the field say the section.
  static let rowCountMax = 1 << Int(DROVER_INDEX_ROW_BITS)
  static let rowMask = UInt32(truncatingIfNeeded: rowCountMax &- 1)

  /// The number of the section in the two highest bits.
  var sectionNumber: Int { Int(pack >> UInt32(DROVER_INDEX_ROW_BITS)) }
  var row: Int { Int(pack & EntryRecord.rowMask) }

  /// Order of a section: by identifier, then pack, then offset.
  static func isOrdered(_ a: EntryRecord, _ b: EntryRecord) -> Bool {
    if a.id != b.id { return a.id < b.id }
    return (a.pack, a.offset) < (b.pack, b.offset)
  }
}

extension RowRecord {
  var isMarked: Bool { entry_count & DROVER_INDEX_MARKED != 0 }
  var entryCount: Int { Int(entry_count & ~DROVER_INDEX_MARKED) }

  /// Order of the table of packs: by identifier, then index file.
  static func isOrdered(_ a: RowRecord, _ b: RowRecord) -> Bool {
    if a.id != b.id { return a.id < b.id }
    return (a.index_file, a.entry_count) < (b.index_file, b.entry_count)
  }
}

/// Where one copy of a blob stands.
struct BlobLocation: Hashable, Sendable {
  let pack: PackID
  /// Of the sealed blob in its pack.
  let offset: UInt32
  let sealedLength: UInt32
  /// 0 when the blob is not compressed; its plaintext then has 32 bytes less than the sealed form.
  let plaintextLength: UInt32

  /// Length of the blob itself.
  var byteCount: Int {
    plaintextLength > 0 ? Int(plaintextLength) : max(0, Int(sealedLength) - 32)
  }
}

/// A blob of a pack, without the pack.
struct PackedBlob: Hashable, Sendable {
  let blob: BlobHandle
  let offset: UInt32
  let sealedLength: UInt32
  /// 0 when the blob is not compressed.
  let plaintextLength: UInt32

  init(blob: BlobHandle, offset: UInt32, sealedLength: UInt32, plaintextLength: UInt32) {
    self.blob = blob
    self.offset = offset
    self.sealedLength = sealedLength
    self.plaintextLength = plaintextLength
  }

  /// The blob of a parsed entry, which says its section itself.
  init(_ entry: EntryRecord) {
    self.init(entry, entry.sectionNumber & 1 == 1 ? .tree : .data)
  }

  init(_ entry: EntryRecord, _ type: BlobType) {
    self.init(
      blob: BlobHandle(type, BlobID(words: entry.id)), offset: entry.offset,
      sealedLength: entry.sealed_length, plaintextLength: entry.plaintext_length)
  }
}
