/// Adjacent pages, or blocks: the unit is the caller's.
package struct PageRun: Hashable, Sendable {
  package var first: Int
  package var count: Int

  package init(first: Int, count: Int) {
    self.first = first
    self.count = count
  }

  /// The index after the last.
  package var end: Int { first + count }
}

/// Runs in ascending order, adjacent ones merged. Kept and emptied between uses, it does not
/// allocate.
package struct PageRuns: Sendable, Equatable {
  package private(set) var runs: [PageRun] = []

  package init() {}

  /// The number of pages in all runs.
  package var pageCount: Int { runs.reduce(0) { $0 + $1.count } }
  package var isEmpty: Bool { runs.isEmpty }

  /// Adds pages at or after the end of the last run; ones that touch it extend it.
  package mutating func append(first: Int, count: Int = 1) {
    guard count > 0 else { return }
    let last = runs.count - 1
    if last >= 0 {
      precondition(first >= runs[last].end, "runs come in ascending order")
      if first == runs[last].end {
        runs[last].count += count
        return
      }
    }
    runs.append(PageRun(first: first, count: count))
  }

  /// Joins runs with gaps of at most `gap` pages: sending a short gap costs less than naming it.
  package mutating func close(gapsUpTo gap: Int) {
    guard var last = runs.first else { return }
    var kept = 0
    for run in runs.dropFirst() {
      if run.first - last.end <= gap {
        last.count = run.end - last.first
      } else {
        runs[kept] = last
        kept += 1
        last = run
      }
    }
    runs[kept] = last
    runs.removeLast(runs.count - kept - 1)
  }

  /// Forgets the runs, keeps the memory.
  package mutating func removeAll() {
    runs.removeAll(keepingCapacity: true)
  }
}
