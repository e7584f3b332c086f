/// One blob in a pack, as the header tells it.
package struct PackEntry: Hashable, Sendable {
  package var handle: BlobHandle
  /// Bytes from the start of the pack.
  package var offset: UInt32
  /// Length of the sealed blob, with the 32 bytes of sealing.
  package var sealedLength: UInt32
  /// Length of the plaintext of a compressed blob; 0 when it is not compressed.
  package var plaintextLength: UInt32

  package init(
    _ handle: BlobHandle, offset: UInt32, sealedLength: UInt32, plaintextLength: UInt32
  ) {
    self.handle = handle
    self.offset = offset
    self.sealedLength = sealedLength
    self.plaintextLength = plaintextLength
  }

  package var isCompressed: Bool { plaintextLength != 0 }

  /// Bytes of this entry in the header.
  package var headerByteCount: Int {
    isCompressed ? PackHeader.compressedEntryByteCount : PackHeader.entryByteCount
  }
}

/// The list of blobs at the end of a pack.
///
/// A pack is: sealed blobs, sealed header, length of the sealed header (u32, little-endian). The
/// header's plaintext is one entry after another, in the order of the blobs:
///
/// | offset | size | meaning |
/// |---|---|---|
/// | 0 | 1 | 0 data, 1 tree, 2 compressed data, 3 compressed tree |
/// | 1 | 4 | length of the sealed blob, little-endian |
/// | 5 | 4 | length of the plaintext, little-endian; types 2 and 3 only |
/// | 5 or 9 | 32 | identifier |
///
/// Blobs stand without gaps from byte 0, so their offsets are the sums of the lengths.
/// Source: the restic repository format, "packs".
package enum PackHeader {
  package static let entryByteCount = 37
  package static let compressedEntryByteCount = 41
  /// What sealing adds to anything: nonce and tag.
  package static let sealingByteCount = 32
  /// The length at the end of a pack.
  package static let lengthFieldByteCount = 4
  /// Longest sealed header: restic refuses longer ones.
  package static let sealedByteCountMax = 16 << 20
  /// What to fetch of an unknown pack's end at first: a header of up to 15 entries comes with it.
  package static let firstReadByteCount = 15 * compressedEntryByteCount + 36
  /// Most entries whose header stays below the limit.
  package static let entryCountMax =
    (sealedByteCountMax - sealingByteCount)
    / compressedEntryByteCount
  /// Shortest pack: a sealed blob without bytes in it, a header with one entry.
  package static let packByteCountMin =
    sealingByteCount + sealingByteCount + entryByteCount + lengthFieldByteCount

  /// Length of the sealed header, from the last four bytes of a pack.
  /// - Throws: `RepositoryError.corrupt` when no header of that length can stand in the pack.
  package static func sealedLength(
    lengthField: UnsafeRawBufferPointer, packByteCount: Int64
  ) throws(RepositoryError) -> Int {
    guard lengthField.count == lengthFieldByteCount else {
      throw damage("its end has \(lengthField.count) bytes")
    }
    let length = Int(UInt32(littleEndian: lengthField.loadUnaligned(as: UInt32.self)))
    guard length >= sealingByteCount + entryByteCount, length <= sealedByteCountMax else {
      throw damage("it announces \(length) bytes")
    }
    guard Int64(length + lengthFieldByteCount) <= packByteCount else {
      throw damage("it announces \(length) bytes in a pack of \(packByteCount)")
    }
    return length
  }

  /// The entries of an opened header.
  ///
  /// `packByteCount` is checked against the sum of everything that the header lists; nil when the
  /// size of the file is not known. `allowsCompression` is false for repositories of version 1.
  /// - Throws: `RepositoryError.corrupt`.
  package static func decode(
    _ header: UnsafeRawBufferPointer, packByteCount: Int64?, allowsCompression: Bool
  ) throws(RepositoryError) -> [PackEntry] {
    guard header.count <= sealedByteCountMax else { throw damage("\(header.count) bytes") }
    var entries: [PackEntry] = []
    entries.reserveCapacity(header.count / entryByteCount)
    var position = 0
    var offset: UInt32 = 0
    while position < header.count {
      let entry = try self.entry(header, at: position, offset: offset)
      guard allowsCompression || !entry.isCompressed else {
        throw damage("a compressed blob in a repository of version 1")
      }
      let (end, overflow) = offset.addingReportingOverflow(entry.sealedLength)
      guard !overflow else { throw damage("its blobs are longer than 4 GiB") }
      entries.append(entry)
      offset = end
      position += entry.headerByteCount
    }
    guard !entries.isEmpty else { throw damage("it lists no blob") }
    if let packByteCount, packByteCount != self.packByteCount(of: entries) {
      throw damage(
        "it describes a pack of \(self.packByteCount(of: entries)) bytes, the file has "
          + "\(packByteCount)")
    }
    return entries
  }

  private static func entry(
    _ header: UnsafeRawBufferPointer, at position: Int, offset: UInt32
  ) throws(RepositoryError) -> PackEntry {
    let kind = header[position]
    guard kind < 4, let type = BlobType(rawValue: kind & 1) else {
      throw damage("a blob of the unknown type \(kind)")
    }
    let isCompressed = kind >= 2
    let size = isCompressed ? compressedEntryByteCount : entryByteCount
    guard header.count - position >= size else { throw damage("its last entry is cut short") }
    func number(_ at: Int) -> UInt32 {
      UInt32(littleEndian: header.loadUnaligned(fromByteOffset: position + at, as: UInt32.self))
    }
    let sealedLength = number(1)
    let plaintextLength = isCompressed ? number(5) : 0
    guard sealedLength >= sealingByteCount else {
      throw damage("a sealed blob of \(sealedLength) bytes")
    }
    guard !isCompressed || plaintextLength > 0 else { throw damage("an empty compressed blob") }
    let id = BlobID(
      UnsafeRawBufferPointer(rebasing: header[position + size - 32..<position + size]))
    return PackEntry(
      BlobHandle(type, id), offset: offset, sealedLength: sealedLength,
      plaintextLength: plaintextLength)
  }

  /// Appends the entries as the header's plaintext.
  package static func append(_ entries: some Sequence<PackEntry>, to header: inout [UInt8]) {
    for entry in entries {
      header.append(entry.handle.type.rawValue | (entry.isCompressed ? 2 : 0))
      append(entry.sealedLength, to: &header)
      if entry.isCompressed { append(entry.plaintextLength, to: &header) }
      withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { bytes in
        entry.handle.id.copy(to: bytes)
        header.append(contentsOf: bytes)
      }
    }
  }

  /// Appends a number as packs hold it, little-endian: lengths, and the length of the sealed header
  /// at the end.
  package static func append(_ value: UInt32, to bytes: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// Bytes of the file that holds exactly these blobs.
  package static func packByteCount(of entries: some Sequence<PackEntry>) -> Int64 {
    entries.reduce(Int64(sealingByteCount + lengthFieldByteCount)) { sum, entry in
      sum + Int64(entry.sealedLength) + Int64(entry.headerByteCount)
    }
  }

  private static func damage(_ reason: String) -> RepositoryError {
    .corrupt(.packHeader, place: "", reason: reason)
  }
}
