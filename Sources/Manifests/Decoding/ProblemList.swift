/// Collects everything that is wrong while manifests are decoded and checked. Confined to one
/// thread.
package final class ProblemList {
  package private(set) var problems: [Problem] = []

  package init() {}

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
  package var sorted: [Problem] {
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
