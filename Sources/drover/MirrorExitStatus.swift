import ObjectMirror
import Platform

/// The exit codes of `drover mirror`: those of rclone, so that scripts keep working.
/// Source: rclone's manual, "Exit code".
enum MirrorExitStatus: Int32, CaseIterable {
  case done = 0
  case failed = 1
  case usage = 2
  case directoryNotFound = 3
  case fileNotFound = 4
  /// What failed may succeed later.
  case temporary = 5
  /// Failures that another attempt does not cure.
  case lasting = 6
  /// A guard has ended the run.
  case fatal = 7
  case interrupted = 130

  init(_ error: any DroverError) {
    if let error = error as? MirrorError, case .noSource = error {
      self = .directoryNotFound
      return
    }
    self =
      switch error.kind {
      case .usage: .usage
      case .unreachable: .temporary
      case .refused: .fatal
      case .cancelled: .interrupted
      default: .failed
      }
  }

  /// The code of a run in which single files failed.
  init(_ figures: MirrorFigures) {
    guard figures.errorCount > 0 else {
      self = .done
      return
    }
    switch figures.lastKind {
    case .unreachable: self = .temporary
    case .refused: self = .lasting
    default: self = .failed
    }
  }

  init(_ outcome: DestinationOutcome) {
    if let failure = outcome.failure { self.init(failure) } else { self.init(outcome.figures) }
  }

  /// From the least to the worst: what may succeed later comes first, what ended the run last.
  private static let order: [MirrorExitStatus] = [
    .done, .temporary, .failed, .fileNotFound, .directoryNotFound, .lasting, .usage, .fatal,
    .interrupted,
  ]

  /// The worst of several.
  static func worst(_ all: [MirrorExitStatus]) -> MirrorExitStatus {
    all.max { a, b in
      (order.firstIndex(of: a) ?? 0) < (order.firstIndex(of: b) ?? 0)
    } ?? .done
  }
}
