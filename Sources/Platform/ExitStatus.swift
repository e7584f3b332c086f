/// The exit codes of all commands but `repo` and `mirror`: one table for the program and its
/// movers.
package enum ExitStatus: Int32, Sendable, CaseIterable {
  case done = 0
  case failed = 1
  case usage = 2
  /// Done, but some entries could not be read or applied.
  case partial = 3
  case different = 4
  case refused = 5
  case wrongKey = 6
  case unreachable = 7
  case interrupted = 130

  package init(_ kind: FailureKind) {
    self =
      switch kind {
      case .usage: .usage
      case .partial: .partial
      case .different: .different
      case .refused: .refused
      case .wrongKey: .wrongKey
      case .unreachable: .unreachable
      case .cancelled: .interrupted
      case .notFound, .locked, .denied, .corrupt, .unsupported, .failed, .internalFault: .failed
      }
  }

  /// What a process that ended with this code tells about its failure; nil for `done`.
  package var failureKind: FailureKind? {
    switch self {
    case .done: nil
    case .failed: .failed
    case .usage: .usage
    case .partial: .partial
    case .different: .different
    case .refused: .refused
    case .wrongKey: .wrongKey
    case .unreachable: .unreachable
    case .interrupted: .cancelled
    }
  }
}
