import FileTree

/// The receiver's word that everything is durable: the digest of the tree, or of the proofs of a
/// volume's segments, and what was done.
///
/// Body: digest 32 · created u64 · deleted u64 · attributes changed u64 · transferred files u64 ·
/// matched bytes u64 · applying seconds as a count of milliseconds u64.
struct Acknowledgement {
  static let size = 32 + 6 * 8

  var digest: [UInt8]
  var createdCount: Int64 = 0
  var deletedCount: Int64 = 0
  var attributesChangedCount: Int64 = 0
  var transferredCount: Int64 = 0
  var matchedBytes: Int64 = 0
  /// CPU-bound time of the receiver's busiest stage, for the summary of the sender.
  var busyMilliseconds: Int64 = 0

  init(digest: [UInt8]) { self.digest = digest }

  func encode(_ writer: inout PointerWriter) {
    digest.withUnsafeBytes { writer.put($0) }
    for value in [
      createdCount, deletedCount, attributesChangedCount, transferredCount, matchedBytes,
      busyMilliseconds,
    ] { writer.put(value) }
  }

  init(decoding body: UnsafeRawBufferPointer) throws {
    var reader = ByteReader(body)
    digest = [UInt8](try reader.bytes(32))
    func count() throws -> Int64 { Int64(clamping: try reader.u64()) }
    createdCount = try count()
    deletedCount = try count()
    attributesChangedCount = try count()
    transferredCount = try count()
    matchedBytes = try count()
    busyMilliseconds = try count()
  }
}
