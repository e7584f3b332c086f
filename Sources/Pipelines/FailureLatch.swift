import Platform

/// Keeps the first failure of a pipeline and stops everything that was registered with it.
package final class FailureLatch: @unchecked Sendable {
  private let lock = Lock()
  private var closers: [@Sendable () -> Void] = []
  private var first: (any Error)?

  package init() {}

  /// Registers what ends a blocked stage; called at once when the pipeline has failed already.
  package func onFailure(_ close: @escaping @Sendable () -> Void) {
    let failed = lock.withLock { () -> Bool in
      if first == nil { closers.append(close) }
      return first != nil
    }
    if failed { close() }
  }

  /// Records `error` if it is the first, and closes everything. `ChannelClosed` is only ever a
  /// consequence.
  package func fail(_ error: any Error) {
    if error is ChannelClosed { return }
    let closers = lock.withLock { () -> [@Sendable () -> Void] in
      guard first == nil else { return [] }
      first = error
      defer { self.closers = [] }
      return self.closers
    }
    for close in closers { close() }
  }

  /// Lets go of everything that was registered: all stages have ended.
  package func disarm() { lock.withLock { closers = [] } }

  package var failure: (any Error)? { lock.withLock { first } }

  /// Throws the first failure, if there was one.
  package func check() throws {
    if let failure { throw failure }
  }
}
