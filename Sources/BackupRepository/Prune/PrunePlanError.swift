package import Platform

/// Why prune does not even begin: nothing has been changed.
package enum PrunePlanError: DroverError {
  case invalidOption(String, reason: String)
  /// Blobs that snapshots use are in no pack of the index; some of them are named.
  case blobsMissing(count: Int, examples: [BlobHandle])
  /// Packs that hold used blobs are not in the repository; some of them are named.
  case packsMissing(count: Int, examples: [PackID])
  /// Packs that hold used blobs are not as long as their blobs say; the first is described.
  case packSizes(count: Int, first: PackID, expected: UInt64, actual: UInt64)
  case indexFailed(any DroverError)
  /// The plan would have lost a blob that is used: a fault of the planner, found before any harm.
  case planWouldLose(PackID)

  /// Names in a message; more help nobody.
  static let exampleCountMax = 10

  package var kind: FailureKind {
    switch self {
    case .invalidOption: .usage
    case .blobsMissing, .packsMissing, .packSizes: .corrupt
    case .indexFailed(let cause): cause.kind
    case .planWouldLose: .internalFault
    }
  }

  package var message: String {
    switch self {
    case .invalidOption(let option, let reason): "\(option): \(printable(reason.utf8))"
    case .blobsMissing(let count, let examples):
      "\(count) blobs that snapshots use are not in the index, nothing is pruned: "
        + examples.prefix(Self.exampleCountMax).map { "\($0.type) \($0.id.short)" }
        .joined(separator: ", ")
    case .packsMissing(let count, let examples):
      "\(count) packs that hold used data are missing, nothing is pruned: "
        + examples.prefix(Self.exampleCountMax).map(\.hex).joined(separator: ", ")
    case .packSizes(let count, let first, let expected, let actual):
      "\(count) packs have not the size that the index says, nothing is pruned: pack \(first.hex) "
        + "has \(actual) bytes instead of \(expected)"
    case .indexFailed: "the index cannot be read to the end, nothing is pruned"
    case .planWouldLose(let pack):
      "the plan would have lost used data of pack \(pack.hex), nothing is pruned"
    }
  }

  package var hint: String? {
    switch self {
    case .blobsMissing:
      "Run `repair index`: a pack that no index lists, or that another tool has marked for "
        + "deletion, may hold them; then `check`."
    case .packsMissing, .packSizes: "Run `repair index`, then `check`."
    case .planWouldLose: "Please report this."
    case .indexFailed(let cause): cause.hint
    case .invalidOption: nil
    }
  }

  package var cause: (any DroverError)? {
    if case .indexFailed(let cause) = self { cause } else { nil }
  }
}
