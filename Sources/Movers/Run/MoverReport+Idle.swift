import Control

extension MoverReport {
  /// What is told of an end that may start again, or has not started.
  var leavesIdle: Bool {
    switch self {
    case .nothing, .cleanedUp, .failed, .error: true
    case .completed, .gaveUp: false
    }
  }
}
