import Control
import Manifests
import Platform
import Supervision

/// The mover of a destination behind the gate: its child starts when a peer has come that holds the
/// key.
final class GateMover: Mover, @unchecked Sendable {
  let name: String
  private let gate: ListeningGate
  private let key: ObjectKey
  private let job: MoverJob
  private let launch: ChildMover.Launch
  private let user: ProcessUser?
  private let onEvent: @Sendable (MoverEvent) -> Void
  private let lock = Lock()
  // Guarded by `lock`.
  private var isCancelled = false
  private var seat: GateSeat?
  private var child: ChildMover?

  /// Nil for what does not listen over the tunnel.
  init?(
    name: String, _ gate: ListeningGate, _ request: MoverRequest,
    launch: @escaping ChildMover.Launch
  ) {
    guard case .rsyncTLS(var job) = request.job, job.direction == .receive else { return nil }
    job.isHanded = true
    self.name = name
    self.gate = gate
    self.launch = launch
    self.job = MoverJob(
      section: RsyncTLSJob.section, lockPath: request.lockPath, job: job.document)
    key = request.end.key
    user = request.end.volume?.user
    onEvent = request.onEvent
  }

  func synchronize() -> MoverOutcome {
    do {
      let seat = try gate.open(key)
      defer { gate.close(seat) }
      let mayGo = lock.withLock {
        self.seat = seat
        return !isCancelled
      }
      guard mayGo else { return .failed(.cancelled) }
      onEvent(.listening(seat.address))
      guard seat.waitForArrival() else { return .failed(.cancelled) }
      return try receive(seat)
    } catch {
      let failure = error as? any DroverError
      return .failed(
        MoverFailure(
          failure?.kind ?? .internalFault, "\(error)", hint: failure?.hint,
          logs: Array("\(error)\n".utf8)))
    }
  }

  private func receive(_ seat: GateSeat) throws -> MoverOutcome {
    let (ours, theirs) = try DescriptorChannel.makePair()
    let child = ChildMover(
      name: name, job: job, user: user, launch: launch, input: theirs.descriptor, onEvent: onEvent)
    let mayGo = lock.withLock {
      self.child = child
      return !isCancelled
    }
    guard mayGo else { return .failed(.cancelled) }
    seat.start(ours)
    gate.lookAgain()
    return child.synchronize()
  }

  func cleanUp() {}

  func cancel() {
    let (seat, child) = lock.withLock {
      isCancelled = true
      return (self.seat, self.child)
    }
    seat?.cancel()
    child?.cancel()
  }
}
