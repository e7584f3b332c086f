import FileTree

/// How the sender's reading of a file ended.
///
/// | offset | size | meaning |
/// |---|---|---|
/// | 0 | 1 | ``Outcome`` |
/// | 1 | 8 | size in bytes |
/// | 9 | 8 | mtime, seconds |
/// | 17 | 4 | mtime, nanoseconds |
/// | 21 | 8 | XXH3-64 of the literal bytes of a whole file, in order; 0 for a delta |
struct FileEnd {
  static let size = 29

  enum Outcome: UInt8 {
    case complete = 0
    /// The file changed while it was read.
    case changed = 1
    case unreadable = 2
    case vanished = 3
    /// The content is the one whose digest came with the request; nothing of it was sent.
    case equal = 4
  }

  var outcome: Outcome
  var sizeBytes: Int64 = 0
  var modifiedSeconds: Int64 = 0
  var modifiedNanoseconds: UInt32 = 0
  var hash: UInt64 = 0

  init(_ outcome: Outcome) { self.outcome = outcome }

  init(_ status: SourceStatus, isUnchanged: Bool, hash: UInt64) {
    outcome = isUnchanged ? .complete : .changed
    sizeBytes = status.sizeBytes
    modifiedSeconds = status.modifiedSeconds
    modifiedNanoseconds = status.modifiedNanoseconds
    self.hash = hash
  }

  /// The end of a file of which nothing was sent.
  init(_ outcome: Outcome, _ status: SourceStatus) {
    self.init(status, isUnchanged: true, hash: 0)
    self.outcome = outcome
  }

  func encode(_ writer: inout PointerWriter) {
    writer.put(outcome.rawValue)
    writer.put(sizeBytes)
    writer.put(modifiedSeconds)
    writer.put(modifiedNanoseconds)
    writer.put(hash)
  }

  init(decoding reader: inout ByteReader) throws {
    guard let outcome = Outcome(rawValue: try reader.u8()) else {
      throw ReplicationError.violation("end of a file")
    }
    self.outcome = outcome
    sizeBytes = Int64(bitPattern: try reader.u64())
    modifiedSeconds = Int64(bitPattern: try reader.u64())
    modifiedNanoseconds = try reader.u32()
    hash = try reader.u64()
    guard sizeBytes >= 0, modifiedNanoseconds < 1_000_000_000 else {
      throw ReplicationError.violation("end of a file")
    }
  }
}
