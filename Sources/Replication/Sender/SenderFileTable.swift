import DeltaCoding
import FileTree
import Platform

/// Files that are open in parts, and rolling signatures that are under way.
final class SenderFileTable: @unchecked Sendable {
  struct CompleteSignature {
    let sums: PageSums
    let span: RollingSpan
    let signature: [UInt8]
  }
  private struct Key: Hashable {
    let request: UInt32
    let segment: UInt32
  }
  private struct Expected {
    let sums: PageSums
    let span: RollingSpan
    var signature: [UInt8] = []
  }
  /// The longest signature that is parsed; one of a window of 96 MiB in blocks of 2 KiB takes 0.6
  /// MiB.
  private static let signatureBytesMax = Signature.byteCount(
    of: Signature.defaultEntryLimit, blockLength: 1,
    strongLength: Signature.strongLengths.upperBound)

  let isVolume: Bool
  let volumeSizeBytes: Int64
  /// The proofs of what was sent of a volume; nil for a tree.
  let volumeProofs: VolumeProofs?
  private let lock = Lock()
  private var files: [UInt32: SenderFile] = [:]
  private var expected: [Key: Expected] = [:]
  private var openSegmentCount = 0

  init(volumeSizeBytes: Int64? = nil) {
    isVolume = volumeSizeBytes != nil
    volumeProofs = volumeSizeBytes.map { VolumeProofs(sizeBytes: $0) }
    self.volumeSizeBytes = volumeSizeBytes ?? 0
  }

  func add(_ file: SenderFile) throws {
    try lock.withLock {
      guard files.count < WireLimits.requestCountMax,
        files.updateValue(file, forKey: file.request) == nil
      else { throw ReplicationError.violation("a request with a number in use") }
    }
  }

  func file(_ request: UInt32) throws -> SenderFile {
    guard let file = lock.withLock({ files[request] }) else {
      throw ReplicationError.violation("a request that is not open")
    }
    return file
  }

  func remove(_ file: SenderFile) {
    lock.withLock { files[file.request] = nil }
  }

  /// The receiver has asked for a segment.
  func openSegment() throws {
    try lock.withLock {
      guard openSegmentCount < WireLimits.segmentCountMax else {
        throw ReplicationError.violation("more open segments than allowed")
      }
      openSegmentCount += 1
    }
  }

  /// A segment was sent to its end.
  func closeSegment() { lock.withLock { openSegmentCount -= 1 } }

  func expectSignature(of file: SenderFile, sums: PageSums, span: RollingSpan) {
    lock.withLock {
      expected[Key(request: file.request, segment: sums.segment)] = Expected(
        sums: sums, span: span)
    }
  }

  /// Adds a piece of a signature; gives all of it with the last piece.
  func append(
    signature piece: UnsafeRawBufferPointer, isLast: Bool, of request: UInt32, segment: UInt32
  ) throws -> CompleteSignature? {
    try lock.withLock {
      let key = Key(request: request, segment: segment)
      guard var waiting = expected.removeValue(forKey: key),
        waiting.signature.count + piece.count <= SenderFileTable.signatureBytesMax
      else { throw ReplicationError.violation("a signature that was not asked for") }
      waiting.signature.append(contentsOf: piece)
      if isLast {
        return CompleteSignature(
          sums: waiting.sums, span: waiting.span, signature: waiting.signature)
      }
      expected[key] = waiting
      return nil
    }
  }
}
