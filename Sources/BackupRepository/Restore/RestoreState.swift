import FileTree
import Glibc
import Platform

/// Counts, problems and the end of a restore, shared by all its threads.
final class RestoreState: @unchecked Sendable {
  private let lock = Lock()
  /// For messages.
  private let target: String
  private let observe: @Sendable (RestoreEvent) -> Void
  private let isCancelled: @Sendable () -> Bool
  private var report = RestoreReport()
  private var failure: RepositoryError?
  private var lastTold = MonotonicTime.now()
  /// Paths that failed: what is a further name of one of them fails, too.
  private var failedPaths: Set<[UInt8]> = []

  init(
    target: String, isCancelled: @escaping @Sendable () -> Bool,
    observe: @escaping @Sendable (RestoreEvent) -> Void
  ) {
    self.target = target
    self.isCancelled = isCancelled
    self.observe = observe
  }

  /// Throws when the run has failed or was cancelled.
  func check() throws(RepositoryError) {
    if let failure = lock.withLock({ failure }) { throw failure }
    if isCancelled() { throw .cancelled }
  }

  /// The run has failed or was cancelled.
  var isStopped: Bool { lock.withLock { failure } != nil || isCancelled() }

  /// Ends the run; the first failure counts.
  func fail(_ error: RepositoryError) {
    lock.withLock { failure = failure ?? error }
  }

  var current: RestoreReport { lock.withLock { report } }
  var firstFailure: RepositoryError? { lock.withLock { failure } }

  func count(_ change: (inout RestoreReport) -> Void) {
    lock.withLock {
      change(&report)
      let now = MonotonicTime.now()
      guard now.seconds(since: lastTold) > 0.1 else { return }
      lastTold = now
      observe(.progress(report))
    }
  }

  func tell(_ event: RestoreEvent) { lock.withLock { observe(event) } }

  func problem(_ kind: RestoreProblem.Kind, _ path: [UInt8], _ message: String) {
    let problem = RestoreProblem(kind: kind, path: path, message: message)
    lock.withLock {
      switch kind {
      case .damage: report.damageCount += 1
      case .entry: report.entryProblemCount += 1
      case .attribute: report.attributeProblemCount += 1
      }
      if report.problems.count < RestoreLimits.problemsDescribedMax {
        report.problems.append(problem)
      }
      observe(.problem(problem))
    }
  }

  /// An entry that is not restored; later names of it are not either.
  func entryFailed(_ kind: RestoreProblem.Kind, _ path: [UInt8], _ message: String) {
    problem(kind, path, message)
    lock.withLock { _ = failedPaths.insert(path) }
  }

  /// Temporary files that hold what is left of an earlier file.
  private var keptTemporaries: [(directory: [UInt8], name: [UInt8])] = []

  func keep(temporary name: String, in directory: [UInt8]) {
    lock.withLock { keptTemporaries.append((directory, Array(name.utf8))) }
  }

  func namesOfKeptTemporaries(in directory: [UInt8]) -> Set<[UInt8]> {
    lock.withLock { Set(keptTemporaries.filter { $0.directory == directory }.map(\.name)) }
  }

  func hasFailed(_ path: [UInt8]) -> Bool { lock.withLock { failedPaths.contains(path) } }

  /// A failed system call on an entry: of the target as a whole it ends the run, of the entry alone
  /// it is told.
  func entryFailed(_ error: TreeError) throws(RepositoryError) {
    if case .system(let cause, let path) = error { try passIfFatal(cause, path) }
    entryFailed(.entry, error.path, RestoreState.text(of: error))
  }

  /// Throws what will meet every other entry as well, with the place where it was met.
  func passIfFatal(_ error: PlatformError, _ path: [UInt8]) throws(RepositoryError) {
    switch error.errno {
    case ENOSPC, EDQUOT, EROFS, EIO, ENOMEM, EMFILE, ENFILE:
      let place = path.isEmpty ? target : "\(target)/\(printable(path))"
      throw .platform(PlatformError(error.call, place, errno: error.errno))
    default: return
    }
  }

  private static func text(of error: TreeError) -> String {
    guard case .system(let cause, _) = error else { return error.message }
    return cause.message
  }

  // MARK: The end

  /// The error that a run with problems ends with; nil when there was none that counts.
  static func outcome(_ report: RestoreReport, isPrivileged: Bool) -> RepositoryError? {
    let attributes = isPrivileged ? report.attributeProblemCount : 0
    let count = report.damageCount + report.entryProblemCount + attributes
    guard count > 0 else { return nil }
    let counting = report.problems.filter { $0.kind != .attribute || isPrivileged }
    var text = counting.prefix(5).map(\.text).joined(separator: "; ")
    if count > min(5, counting.count) { text += "; \(count) in all" }
    return .incomplete(
      work: "the restore", problems: text, kind: report.damageCount > 0 ? .corrupt : .partial)
  }
}
