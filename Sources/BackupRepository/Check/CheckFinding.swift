import Platform

/// What check has found.
package struct CheckFinding: Sendable, Equatable {
  package enum Severity: Sendable, Equatable {
    /// Something is damaged or lost.
    case error
    /// Nothing is lost, but something can be tidied up.
    case hint
  }

  package var severity: Severity
  package var part: RepositoryPart
  /// The identifier of the piece, or nothing for all of that kind.
  package var place: String
  package var reason: String
  /// The command that helps.
  package var remedy: String

  package var message: String {
    place.isEmpty ? reason : "\(part.rawValue) \(place): \(reason)"
  }
}

/// The findings of all threads. Those beyond a limit are counted only.
final class CheckFindings: @unchecked Sendable {
  /// Findings that are kept: a repository that is wholly damaged has one for each pack and blob.
  static let countMax = 10_000

  private let lock = Lock()
  private let observe: @Sendable (CheckEvent) -> Void
  private var kept: [CheckFinding] = []
  private var errors = 0
  private var hints = 0

  init(_ observe: @escaping @Sendable (CheckEvent) -> Void) { self.observe = observe }

  func add(_ finding: CheckFinding) {
    let isKept = lock.withLock { () -> Bool in
      if finding.severity == .error { errors += 1 } else { hints += 1 }
      guard kept.count < Self.countMax else { return false }
      kept.append(finding)
      return true
    }
    if isKept { observe(.finding(finding)) }
  }

  func error(_ part: RepositoryPart, _ place: String, _ reason: String, remedy: String? = nil) {
    add(
      CheckFinding(
        severity: .error, part: part, place: place, reason: reason,
        remedy: remedy ?? part.remedy))
  }

  func hint(_ part: RepositoryPart, _ place: String, _ reason: String, remedy: String) {
    add(
      CheckFinding(severity: .hint, part: part, place: place, reason: reason, remedy: remedy))
  }

  /// A failure as a finding.
  func error(_ part: RepositoryPart, _ place: String, _ error: RepositoryError) {
    let reason: String
    switch error {
    case .corrupt(let damaged, let name, let words) where damaged == part || name == place:
      reason = words
    case .missing(let missing, _) where missing == part: reason = "it is missing"
    default: reason = error.description
    }
    self.error(part, place, reason, remedy: part.remedy)
  }

  func fill(_ report: inout CheckReport) {
    lock.withLock {
      report.findings = kept
      report.errorCount = errors
      report.hintCount = hints
    }
  }
}

/// What to do about damage, where that differs from what is usual for such a piece.
enum CheckRemedy {
  static let repairIndex = "Run `repair index`: it reads the headers of such packs."
  static let lostPack =
    "Put the pack back from a copy if there is one; else run `repair index`, then a new backup, "
    + "which stores again what it still finds."
  static let shortPack =
    "Run `repair index`: with a whole header only the index was wrong; else `repair packs` saves "
    + "what is left of the pack, and a new backup stores the rest again."
  static let prune = "Nothing is lost; `prune` tidies it up."
  static let missingBlob =
    "Run `repair index`: a pack that no index lists may hold it; else a new backup stores it again "
    + "if the source still has it."
}
