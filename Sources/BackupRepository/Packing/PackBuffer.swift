import Cryptography
import Platform

/// A pack that is being filled in memory: sealed blobs one behind the other.
///
/// The memory is reserved as a whole, touched as it is filled, and goes back to the system with the
/// pack. Confined to whoever holds it.
final class PackBuffer: @unchecked Sendable {
  let type: BlobType
  /// Whether it counts in a ``PackBufferPool``.
  let isPooled: Bool
  private let pages: PageMemory
  private(set) var count = 0
  private(set) var entries: [PackEntry] = []

  /// Room for `capacity` bytes, the header included.
  init(_ type: BlobType, capacity: Int, isPooled: Bool) {
    self.type = type
    self.isPooled = isPooled
    pages = PageMemory(byteCount: capacity)
  }

  private var memory: UnsafeMutableRawBufferPointer { pages.bytes }

  var filled: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(memory)[..<count])
  }

  /// Bytes of the header that the entries so far and `more` others need, sealed, with its length.
  private func headerByteCount(more: Int) -> Int {
    PackHeader.sealingByteCount + PackHeader.lengthFieldByteCount
      + (entries.count + more) * PackHeader.compressedEntryByteCount
  }

  /// Whether a blob of `byteCount` sealed bytes can be added.
  func hasRoom(for byteCount: Int) -> Bool {
    count + byteCount + headerByteCount(more: 1) <= memory.count
      && entries.count < PackHeader.entryCountMax
  }

  func append(_ handle: BlobHandle, _ sealed: UnsafeRawBufferPointer, plaintextLength: UInt32) {
    room(sealed.count).copyMemory(from: sealed)
    close(handle, byteCount: sealed.count, plaintextLength)
  }

  /// Seals a blob right into the pack.
  func append(
    sealing content: UnsafeRawBufferPointer, by codec: RepositoryCodec, _ handle: BlobHandle,
    plaintextLength: UInt32
  ) throws(RepositoryError) {
    let byteCount = content.count + Sealer.overheadByteCount
    try codec.seal(content, into: room(byteCount))
    close(handle, byteCount: byteCount, plaintextLength)
  }

  private func room(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(rebasing: memory[count..<count + byteCount])
  }

  /// The bytes of the next blob are in the pack.
  private func close(_ handle: BlobHandle, byteCount: Int, _ plaintextLength: UInt32) {
    entries.append(
      PackEntry(
        handle, offset: UInt32(count), sealedLength: UInt32(byteCount),
        plaintextLength: plaintextLength))
    count += byteCount
  }

  /// Takes all blobs of another pack.
  func append(contentsOf other: PackBuffer) {
    let bytes = other.filled
    for entry in other.entries {
      let start = Int(entry.offset)
      append(
        entry.handle,
        UnsafeRawBufferPointer(rebasing: bytes[start..<start + Int(entry.sealedLength)]),
        plaintextLength: entry.plaintextLength)
    }
  }

  /// Whether all blobs of another pack can be added.
  func hasRoom(forAllOf other: PackBuffer) -> Bool {
    count + other.count + headerByteCount(more: other.entries.count) <= memory.count
      && entries.count + other.entries.count <= PackHeader.entryCountMax
  }

  /// Appends the sealed header and its length: the pack is complete.
  func close(_ codec: RepositoryCodec) throws(RepositoryError) {
    var header: [UInt8] = []
    header.reserveCapacity(entries.count * PackHeader.compressedEntryByteCount)
    PackHeader.append(entries, to: &header)
    let sealed = try codec.sealed(header)
    var end: [UInt8] = []
    PackHeader.append(UInt32(sealed.count), to: &end)
    UnsafeMutableRawBufferPointer(rebasing: memory[count...]).copyBytes(from: sealed + end)
    count += sealed.count + end.count
  }
}
