/// The system calls of a ``LocalStore`` that change something, for faults.
package enum LocalStep: String, Sendable, CaseIterable {
  case makeDirectory
  case createTemporary
  /// One piece of a body.
  case write
  case setMode
  case synchronize
  case rename
  case synchronizeDirectory
  case removeTemporary
  case unlink
}

/// What becomes of a step.
package enum LocalVerdict: Sendable {
  case proceed
  case fail(errno: Int32)
  /// The process dies before the step: nothing more is done, not even cleaning up.
  case die
}

/// Decides about each step of a ``LocalStore``; called before it, on the caller's thread.
package typealias LocalStepHook = @Sendable (LocalStep) -> LocalVerdict
