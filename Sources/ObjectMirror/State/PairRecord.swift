import FileTree
package import Platform

/// What tells a file from what it was: any write to it changes one of these.
package struct FileIdentity: Sendable, Hashable {
  package var device: UInt64
  package var inode: UInt64
  package var sizeBytes: Int64
  package var modified: WallTime
  /// Of the last change of content or attributes, which nobody can set.
  package var changed: WallTime

  package init(
    device: UInt64, inode: UInt64, sizeBytes: Int64, modified: WallTime, changed: WallTime
  ) {
    (self.device, self.inode) = (device, inode)
    self.sizeBytes = sizeBytes
    self.modified = modified
    self.changed = changed
  }
}

/// What a listing tells of an object, and what a write to it changes.
package struct ObjectIdentity: Sendable, Equatable {
  /// Without quotes.
  package var etag: String
  package var sizeBytes: Int64
  /// Seconds between which the store says that it was stored. A listing has told it exactly, or,
  /// after an upload, the store's clock before and behind it.
  package var storedSeconds: ClosedRange<Int64>

  package init(etag: String, sizeBytes: Int64, storedSeconds: ClosedRange<Int64>) {
    self.etag = etag
    self.sizeBytes = sizeBytes
    self.storedSeconds = storedSeconds
  }

}

/// A file and an object that were found, or made, alike.
package struct PairRecord: Sendable, Equatable {
  /// What is known to be alike besides the size.
  package struct Likeness: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let times = Likeness(rawValue: 1)
    package static let contents = Likeness(rawValue: 2)
  }

  /// Below the prefix.
  package var key: [UInt8]
  package var file: FileIdentity
  package var object: ObjectIdentity
  package var likeness: Likeness

  package init(
    key: [UInt8], file: FileIdentity, object: ObjectIdentity, likeness: Likeness
  ) {
    self.key = key
    self.file = file
    self.object = object
    self.likeness = likeness
  }

  /// Whether file and object still are what they were.
  func matches(file other: MirrorEntry, object entry: MirrorEntry) -> Bool {
    guard other.file == file, entry.etag == object.etag, entry.sizeBytes == object.sizeBytes,
      let stored = entry.modified
    else { return false }
    // Some stores give out the file's own time for that.
    return object.storedSeconds.contains(stored.seconds)
      || stored.seconds == file.modified.seconds
  }
}

// MARK: - Coding

/// How records stand in a file; all numbers are little-endian.
///
/// ```
/// u16 key length | key | u8 likeness | u64 device | u64 inode | i64 size of the file
/// i64 modified, s | u32 ns | i64 changed, s | u32 ns | i64 size of the object
/// i64 stored, first second | i64 stored, last second | u8 ETag length | ETag
/// ```
enum PairCoding {
  static let keyByteCountMax = 4096
  static let etagByteCountMax = 128
  /// Of one record, its lengths included.
  static let byteCountMax = 2 + keyByteCountMax + fixedByteCount + 1 + etagByteCountMax
  private static let fixedByteCount = 1 + 8 + 8 + 8 + 12 + 12 + 8 + 16

  /// False, with nothing appended, for a record that is too long.
  static func append(_ record: PairRecord, to bytes: inout [UInt8]) -> Bool {
    let etag = record.object.etag.utf8
    guard record.key.count <= keyByteCountMax, etag.count <= etagByteCountMax else { return false }
    put(UInt16(record.key.count), &bytes)
    bytes += record.key
    bytes.append(record.likeness.rawValue)
    put(record.file.device, &bytes)
    put(record.file.inode, &bytes)
    put(record.file.sizeBytes, &bytes)
    put(record.file.modified, &bytes)
    put(record.file.changed, &bytes)
    put(record.object.sizeBytes, &bytes)
    put(record.object.storedSeconds.lowerBound, &bytes)
    put(record.object.storedSeconds.upperBound, &bytes)
    bytes.append(UInt8(etag.count))
    bytes += etag
    return true
  }

  private static func put<Value: FixedWidthInteger>(_ value: Value, _ bytes: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
  }

  private static func put(_ time: WallTime, _ bytes: inout [UInt8]) {
    put(time.seconds, &bytes)
    put(UInt32(bitPattern: time.nanoseconds), &bytes)
  }

  /// The next record; nil when the bytes are none.
  static func next(_ reader: inout ByteReader) -> PairRecord? {
    do throws(TreeError) {
      let key = Array(try reader.bytes(Int(try reader.u16())))
      let likeness = PairRecord.Likeness(rawValue: try reader.u8())
      let (device, inode) = (try reader.u64(), try reader.u64())
      let sizeBytes = Int64(bitPattern: try reader.u64())
      let modified = try time(&reader)
      let changed = try time(&reader)
      let objectSizeBytes = Int64(bitPattern: try reader.u64())
      let first = Int64(bitPattern: try reader.u64())
      let last = Int64(bitPattern: try reader.u64())
      let etag = Array(try reader.bytes(Int(try reader.u8())))
      guard first <= last, let text = String(validating: etag, as: UTF8.self) else { return nil }
      return PairRecord(
        key: key,
        file: FileIdentity(
          device: device, inode: inode, sizeBytes: sizeBytes, modified: modified, changed: changed),
        object: ObjectIdentity(
          etag: text, sizeBytes: objectSizeBytes, storedSeconds: first...last),
        likeness: likeness)
    } catch {
      return nil
    }
  }

  /// The key of the next record, which is passed over; nil when the bytes are none.
  static func nextKey(_ reader: inout ByteReader) -> UnsafeRawBufferPointer? {
    do throws(TreeError) {
      let key = try reader.bytes(Int(try reader.u16()))
      _ = try reader.bytes(fixedByteCount)
      _ = try reader.bytes(Int(try reader.u8()))
      return key
    } catch {
      return nil
    }
  }

  private static func time(_ reader: inout ByteReader) throws(TreeError) -> WallTime {
    let seconds = Int64(bitPattern: try reader.u64())
    let nanoseconds = try reader.u32()
    guard nanoseconds < 1_000_000_000 else { throw .malformed("nanoseconds") }
    return WallTime(seconds: seconds, nanoseconds: Int32(nanoseconds))
  }
}

extension [UInt8] {
  /// Whether the bytes stand before others in a listing.
  func precedes(_ other: [UInt8]) -> Bool {
    withUnsafeBytes { a in other.withUnsafeBytes { b in compareBytes(a, b) < 0 } }
  }
}
