package import Platform

/// Counts where one thread of a stage spends its time. Confined to that thread; read after its end.
package final class StageTimer: @unchecked Sendable {
  package let stage: String
  private var started: MonotonicTime?
  private var totalSeconds = 0.0
  package private(set) var inputWaitSeconds = 0.0
  package private(set) var outputWaitSeconds = 0.0

  package init(_ stage: String) { self.stage = stage }

  package func start() { started = .now() }

  package func stop() {
    guard let started else { return }
    totalSeconds += MonotonicTime.now().seconds(since: started)
    self.started = nil
  }

  package func addInputWait(since start: MonotonicTime) {
    inputWaitSeconds += MonotonicTime.now().seconds(since: start)
  }

  package func addOutputWait(since start: MonotonicTime) {
    outputWaitSeconds += MonotonicTime.now().seconds(since: start)
  }

  /// Time not spent waiting for a neighbour.
  package var busySeconds: Double { max(0, totalSeconds - inputWaitSeconds - outputWaitSeconds) }
}
