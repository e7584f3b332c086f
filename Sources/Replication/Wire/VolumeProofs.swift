import Cryptography
import Platform

/// The proofs of all segments of a volume as one end knows them. Segments come in any order and
/// from several lanes.
final class VolumeProofs: @unchecked Sendable {
  static let digestSize = 32
  /// In place of a digest: the receiver could not prove every segment, and has warned of that.
  static let unproven = [UInt8](repeating: 0, count: digestSize)

  private let lock = Lock()
  // 16 bytes a segment: 32 MiB for the largest volume of 64 TiB.
  private var proofs: [UInt8]
  private var isProven: [Bool]

  init(sizeBytes: Int64) {
    let count = Int(SegmentLayout.count(sizeBytes: sizeBytes))
    proofs = [UInt8](repeating: 0, count: count * SegmentProof.size)
    isProven = [Bool](repeating: false, count: count)
  }

  /// Keeps a segment's proof; a later one replaces it.
  func note(_ proof: some Collection<UInt8>, of segment: UInt32) {
    let start = Int(segment) * SegmentProof.size
    lock.withLock {
      guard Int(segment) < isProven.count else { return }
      proofs.replaceSubrange(start..<start + SegmentProof.size, with: proof)
      isProven[Int(segment)] = true
    }
  }

  /// SHA-256 over the proofs in order of the segments; nil when one is missing.
  func digest() throws -> [UInt8]? {
    let proofs: [UInt8]? = lock.withLock { isProven.allSatisfy { $0 } ? self.proofs : nil }
    guard let proofs else { return nil }
    var hash = try SHA256()
    proofs.withUnsafeBytes { hash.update($0) }
    return hash.finish()
  }
}
