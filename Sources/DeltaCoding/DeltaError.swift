package import Platform

/// Failures of making and applying deltas. Errors of the caller's closures pass through as they
/// are.
package enum DeltaError: DroverError, Equatable {
  /// A parameter of ours outside its limits.
  case parameter(name: String, value: Int, limits: ClosedRange<Int>)
  /// A signature from the other side that is malformed or beyond its limits.
  case signature(reason: String)
  /// A delta from the other side that is malformed or truncated.
  case damaged(reason: String)
  /// A delta that copies what the basis does not have.
  case copyOutsideBasis(offset: UInt64, length: UInt64, basisSize: UInt64)
  /// The basis gave fewer bytes than its announced size while a delta was applied.
  case basisEnded(offset: UInt64)
  /// A delta that yields more than the receiver agreed to take.
  case outputTooLarge(limit: UInt64)
  /// librsync failed by itself.
  case library(reason: String)

  package var kind: FailureKind {
    switch self {
    case .parameter: .internalFault
    case .basisEnded, .library: .failed
    default: .corrupt
    }
  }

  package var message: String {
    switch self {
    case .parameter(let name, let value, let limits):
      "\(name) is \(value), it must be from \(limits.lowerBound) to \(limits.upperBound)"
    case .signature(let reason): "a signature from the other side is not usable: \(reason)"
    case .damaged(let reason): "a delta from the other side is damaged: \(reason)"
    case .copyOutsideBasis(let offset, let length, let basisSize):
      "a delta copies \(length) bytes at \(offset) of a basis of \(basisSize) bytes"
    case .basisEnded(let offset): "the basis ended at byte \(offset) while a delta was applied"
    case .outputTooLarge(let limit): "a delta yields more than the agreed \(limit) bytes"
    case .library(let reason): "librsync failed: \(reason)"
    }
  }

  package var hint: String? {
    switch self {
    case .basisEnded: "The file changed during the transfer; the next run repeats it."
    default: nil
    }
  }
}
