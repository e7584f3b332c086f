package import Platform

/// Failures of choosing snapshots: what was asked for cannot be, or would destroy too much.
package enum RetentionError: DroverError, Equatable {
  case invalidDuration(text: String, reason: String)
  case invalidCount(text: String)
  case unknownGrouping(text: String)
  /// A policy that is not empty would remove every snapshot of a group.
  case wouldRemoveGroup(group: String)
  case invalidReference(text: String, reason: String)
  case noSnapshot(reference: String)
  /// `candidates` are short identifiers, ``SnapshotChoice/listedCountMax`` at most.
  case ambiguous(prefix: String, candidates: [String])
  /// No snapshot fits a filter; `available` says what there is.
  case noneSelected(filter: String, available: [String])

  package var kind: FailureKind {
    switch self {
    case .invalidDuration, .invalidCount, .unknownGrouping, .invalidReference, .ambiguous: .usage
    case .wouldRemoveGroup: .refused
    case .noSnapshot, .noneSelected: .notFound
    }
  }

  package var message: String {
    switch self {
    case .invalidDuration(let text, let reason):
      "'\(shown(text))' is not a duration: \(reason)"
    case .invalidCount(let text):
      "'\(shown(text))' is not a count of snapshots: a number, or 'unlimited'"
    case .unknownGrouping(let text):
      "unknown grouping option '\(shown(text))': host, paths and tags can be given"
    case .wouldRemoveGroup(let group):
      "refusing to delete last snapshot of snapshot group \"\(shown(group))\""
    case .invalidReference(let text, let reason):
      "'\(shown(text))' does not name a snapshot: \(reason)"
    case .noSnapshot(let reference):
      "no matching ID found for prefix \"\(shown(reference))\""
    case .ambiguous(let prefix, let candidates):
      "multiple IDs with prefix \"\(shown(prefix))\" found: \(candidates.joined(separator: ", "))"
    case .noneSelected(let filter, let available):
      available.isEmpty
        ? "no snapshot found (\(shown(filter))): the repository has none"
        : "no snapshot found (\(shown(filter))); there are: "
          + available.map(shown).joined(separator: "; ")
    }
  }

  package var guardName: GuardName? {
    switch self {
    case .noneSelected, .noSnapshot: .nothingToRestore
    default: nil
    }
  }

  package var hint: String? {
    switch self {
    case .invalidDuration: "Write numbers with units, years to hours: 2y5m7d3h."
    case .wouldRemoveGroup:
      "Check the policy (a tag that no snapshot has?); name snapshots to remove them all the same."
    case .ambiguous: "Give more digits."
    case .noSnapshot, .noneSelected: "List the snapshots with `drover repo snapshots`."
    default: nil
    }
  }
}

/// A text of the user or of a snapshot, fit for a terminal and not longer than a line or two.
private func shown(_ text: String) -> String {
  printable(text.utf8.prefix(200))
}
