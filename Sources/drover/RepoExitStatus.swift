import BackupRepository
import Platform

/// The exit codes of `drover repo`: those of restic, so that scripts keep working.
/// Source: restic's manual, "Scripting".
enum RepoExitStatus: Int32, CaseIterable {
  case done = 0
  /// Also for wrong usage.
  case failed = 1
  /// The backup was done, but some of its sources could not be read.
  case partial = 3
  case noRepository = 10
  case locked = 11
  case wrongPassword = 12
  case interrupted = 130

  init(_ error: any DroverError) {
    if let error = error as? RepositoryError, case .noRepository = error {
      self = .noRepository
      return
    }
    self =
      switch error.kind {
      case .locked: .locked
      case .wrongKey: .wrongPassword
      case .cancelled: .interrupted
      case .usage, .notFound, .denied, .unreachable, .corrupt, .unsupported, .refused, .different,
        .partial, .failed, .internalFault:
        .failed
      }
  }
}
