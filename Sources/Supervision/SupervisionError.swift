package import Platform

/// Failures of running a child by the job contract.
package enum SupervisionError: DroverError {
  case cannotStart(PlatformError)
  /// A descriptor or process call failed while the child ran; the child is gone.
  case lost(PlatformError)
  /// The child was started without its descriptors, or with a job it cannot read.
  case badJob(String)
  /// Another process holds the lock of the run.
  case lockHeld(path: String)

  package var kind: FailureKind {
    switch self {
    case .cannotStart, .lost: .internalFault
    case .badJob: .usage
    case .lockHeld: .locked
    }
  }

  package var message: String {
    switch self {
    case .cannotStart(let error): "cannot start a mover: \(error.message)"
    case .lost(let error): "lost a mover: \(error.message)"
    case .badJob(let reason): "not a job: \(reason)"
    case .lockHeld(let path): "\(path) is locked: that run is still alive"
    }
  }
}
