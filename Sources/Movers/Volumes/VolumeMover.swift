import Control
import Manifests
import Platform
import Synchronization
import Volumes

/// One attempt with what has to be done for its volume around it.
final class VolumeMover: Mover, @unchecked Sendable {
  private let volume: EndVolume
  private let job: RunJob
  private let keeper: VolumeKeeper
  private let onEvent: @Sendable (MoverEvent) -> Void
  private let make: (RunJob) throws -> any Mover
  private let isCancelled = CancelFlag()
  private let lock = Lock()
  // Guarded by `lock`.
  private var inner: (any Mover)?

  var name: String { lock.withLock { inner?.name } ?? job.section }

  init(
    _ volume: EndVolume, _ job: RunJob, keeper: VolumeKeeper,
    onEvent: @escaping @Sendable (MoverEvent) -> Void, make: @escaping (RunJob) throws -> any Mover
  ) {
    self.volume = volume
    self.job = job
    self.keeper = keeper
    self.onEvent = onEvent
    self.make = make
  }

  func synchronize() -> MoverOutcome {
    do {
      try keeper.prepare(volume)
      return volume.readsCopy ? try synchronizeByCopy() : try synchronizeItself()
    } catch {
      return .failed(VolumeMover.failure(of: error))
    }
  }

  private func synchronizeByCopy() throws -> MoverOutcome {
    let copy = try keeper.takeCopy(of: volume, isCancelled: cancelled)
    onEvent(.note("reading a copy of \(volume.bound.path): \(copy.facts.text)"))
    let method = copy.facts.method
    let job = job.reading(copy.path, hasNewInodes: method == .reflink || method == .copy)
    let outcome = try run(job)
    guard case .completed(var completion) = outcome else { return outcome }
    completion.copyFields = copy.facts.fields(
      at: keeper.time(), seconds: keeper.copySeconds)
    return .completed(completion)
  }

  private func synchronizeItself() throws -> MoverOutcome {
    guard volume.keepsImages else {
      return try keeper.withHooks(of: volume, isCancelled: cancelled) { Result { try run(job) } }
        .get()
    }
    let outcome = try run(job)
    guard case .completed(var completion) = outcome else { return outcome }
    let image = try keeper.takeImage(of: volume, isCancelled: cancelled)
    onEvent(.note("kept \(image.name): \(image.facts.text)"))
    completion.image = image.reference
    completion.copyFields = image.facts.fields(
      at: image.created, seconds: keeper.copySeconds)
    return .completed(completion)
  }

  private var cancelled: @Sendable () -> Bool { { [isCancelled] in isCancelled.isRaised } }

  private func run(_ job: RunJob) throws -> MoverOutcome {
    let mover = try make(job)
    lock.withLock { inner = mover }
    if isCancelled.isRaised { mover.cancel() }
    return mover.synchronize()
  }

  private static func failure(of error: any Error) -> MoverFailure {
    let error = error as? any DroverError
    let message = error?.description ?? "the volume cannot be used"
    let text = ([message] + [error?.hint].compactMap(\.self)).joined(separator: "\n")
    return MoverFailure(
      error?.kind ?? .internalFault, message, hint: error?.hint, logs: Array("\(text)\n".utf8))
  }

  func cleanUp() throws {
    try lock.withLock { inner }?.cleanUp()
    try keeper.cleanUp()
  }

  func cancel() {
    isCancelled.raise()
    lock.withLock { inner }?.cancel()
  }
}

/// Raised once, from any thread.
final class CancelFlag: Sendable {
  private let value = Atomic(false)
  var isRaised: Bool { value.load(ordering: .relaxed) }
  func raise() { value.store(true, ordering: .relaxed) }
}
