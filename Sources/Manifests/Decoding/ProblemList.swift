/// What becomes of a field that is not known: kubectl's `--validate`.
package enum UnknownFields: String, Sendable, CaseIterable {
  case refuse = "strict"
  case warn
  case ignore
}

/// Collects everything that is wrong while manifests are decoded and checked. Confined to one
/// thread.
package final class ProblemList {
  package private(set) var problems: [Problem] = []
  /// What stands in no way of the objects.
  package private(set) var warnings: [Problem] = []
  private let unknownFields: UnknownFields
  /// Told of every field that a decoder asks for, by its path without positions of lists.
  let fieldObserver: ((String) -> Void)?

  package init(unknownFields: UnknownFields = .refuse) {
    self.unknownFields = unknownFields
    fieldObserver = nil
  }

  init(fieldObserver: @escaping (String) -> Void) {
    unknownFields = .refuse
    self.fieldObserver = fieldObserver
  }

  /// Takes a field that no decoder knows as it was asked to.
  func addUnknownField(_ problem: Problem) {
    switch unknownFields {
    case .refuse: add(problem)
    case .warn: addWarning(problem)
    case .ignore: break
    }
  }

  package func addWarning(_ problem: Problem) {
    guard warnings.count < ManifestLimits.problemCountMax else { return }
    warnings.append(problem)
  }

  package func add(_ problem: Problem) {
    guard problems.count < ManifestLimits.problemCountMax else { return }
    problems.append(problem)
  }

  package func add(contentsOf error: ManifestError) {
    for problem in error.problems { add(problem) }
  }

  package func throwIfAny() throws(ManifestError) {
    if !problems.isEmpty { throw .invalid(sorted) }
  }

  /// By file, in the order in which files first came up, then by line.
  package var sorted: [Problem] { ProblemList.sorted(problems) }

  package static func sorted(_ problems: [Problem]) -> [Problem] {
    var order: [String: Int] = [:]
    for problem in problems where order[problem.mark.file] == nil {
      order[problem.mark.file] = order.count
    }
    let keyed = problems.enumerated().map { index, problem in
      (order[problem.mark.file] ?? 0, problem.mark.line, index, problem)
    }
    return keyed.sorted { ($0.0, $0.1, $0.2) < ($1.0, $1.1, $1.2) }.map(\.3)
  }
}
