import Platform

/// Entries as bytes, for those that wait in a file. Numbers are little-endian.
///
/// | Size | Meaning |
/// |---|---|
/// | 1 | kind: 0 file, 1 directory, 2 link; added: 4 with a time, 8 with inode and change |
/// | 8 | size |
/// | 8, 4 | seconds and nanoseconds of the time, when there is one |
/// | 8, 8, 8, 4 | of a file: device, inode, seconds and nanoseconds of the last change |
/// | 4, n | path |
/// | 4, n | key |
/// | 4, n | ETag |
enum EntryRecord {
  private static let timeMark: UInt8 = 4
  private static let fileMark: UInt8 = 8

  static func append(_ entry: MirrorEntry, to bytes: inout [UInt8]) {
    var kind: UInt8 =
      switch entry.kind {
      case .file: 0
      case .directory: 1
      case .link: 2
      }
    if entry.modified != nil { kind |= timeMark }
    if entry.file != nil { kind |= fileMark }
    bytes.append(kind)
    append(UInt64(bitPattern: entry.sizeBytes), 8, to: &bytes)
    if let modified = entry.modified {
      append(UInt64(bitPattern: modified.seconds), 8, to: &bytes)
      append(UInt64(UInt32(bitPattern: modified.nanoseconds)), 4, to: &bytes)
    }
    if let file = entry.file {
      append(file.device, 8, to: &bytes)
      append(file.inode, 8, to: &bytes)
      append(UInt64(bitPattern: file.changed.seconds), 8, to: &bytes)
      append(UInt64(UInt32(bitPattern: file.changed.nanoseconds)), 4, to: &bytes)
    }
    append(entry.path, to: &bytes)
    append(entry.key, to: &bytes)
    append(Array(entry.etag.utf8), to: &bytes)
  }

  private static func append(_ value: UInt64, _ count: Int, to bytes: inout [UInt8]) {
    for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
  }

  private static func append(_ text: [UInt8], to bytes: inout [UInt8]) {
    append(UInt64(text.count), 4, to: &bytes)
    bytes += text
  }

  /// The entries that ``append(_:to:)`` has written one behind the other; nil for anything else.
  static func entries(of bytes: [UInt8]) -> [MirrorEntry]? {
    var reader = Reader(bytes: bytes)
    var entries: [MirrorEntry] = []
    while reader.offset < bytes.count {
      guard let entry = reader.entry() else { return nil }
      entries.append(entry)
    }
    return entries
  }

  private struct Reader {
    let bytes: [UInt8]
    var offset = 0

    mutating func number(_ count: Int) -> UInt64? {
      guard bytes.count - offset >= count else { return nil }
      var value: UInt64 = 0
      for index in 0..<count { value |= UInt64(bytes[offset + index]) << (8 * index) }
      offset += count
      return value
    }

    mutating func text() -> [UInt8]? {
      guard let count = number(4).map({ Int($0) }), bytes.count - offset >= count else {
        return nil
      }
      defer { offset += count }
      return Array(bytes[offset..<(offset + count)])
    }

    mutating func time() -> WallTime? {
      guard let seconds = number(8), let nanoseconds = number(4) else { return nil }
      return WallTime(
        seconds: Int64(bitPattern: seconds), nanoseconds: Int32(bitPattern: UInt32(nanoseconds)))
    }

    mutating func entry() -> MirrorEntry? {
      guard let mark = number(1).map({ UInt8($0) }), let size = number(8) else { return nil }
      var modified: WallTime?
      if mark & timeMark != 0 {
        guard let time = time() else { return nil }
        modified = time
      }
      var file: FileIdentity?
      if mark & fileMark != 0 {
        guard let device = number(8), let inode = number(8), let changed = time(), let modified
        else { return nil }
        file = FileIdentity(
          device: device, inode: inode, sizeBytes: Int64(bitPattern: size), modified: modified,
          changed: changed)
      }
      guard let path = text(), let key = text(), let etag = text() else { return nil }
      let kinds: [MirrorEntry.Kind] = [.file, .directory, .link]
      let kind = Int(mark & ~(timeMark | fileMark))
      guard kind < kinds.count else { return nil }
      return MirrorEntry(
        kinds[kind], path: path, key: key, sizeBytes: Int64(bitPattern: size),
        modified: modified, etag: String(decoding: etag, as: UTF8.self), file: file)
    }
  }
}
