/// Collects everything that is wrong while manifests are decoded and checked. Confined to one thread.
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
    if !problems.isEmpty { throw .invalid(problems) }
  }
}
