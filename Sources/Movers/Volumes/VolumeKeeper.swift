import Control
import Glibc
import Manifests
import Platform
import StateStore
import Volumes

/// What the runs of one end need of its volume, from one attempt to the next: the copy that is
/// read, the images that are kept. Confined to the end's thread, but for the cancellation of its
/// movers.
final class VolumeKeeper: @unchecked Sendable {
  private let key: ObjectKey
  private let register: PlaceRegister?
  private let pending: PendingHook?
  private let clock: any Clock
  let store: any ServiceStore
  private var copy: PointInTimeCopy?
  /// How long the last copy or image took, without commands around it.
  private(set) var copySeconds: Double?
  /// After an image was made: what its clean-up is for.
  private var imaged: EndVolume?
  /// The value of the copy trigger by which the last copy was made.
  var lastTrigger: String?
  /// Since when the trigger is waited for, and whether it was told that this takes long.
  var waiting: (since: WallTime, isTold: Bool)?

  /// `stateDirectory` is where places of copies are remembered; nil for a run without state.
  init(
    _ key: ObjectKey, stateDirectory: String?, clock: any Clock, store: any ServiceStore
  ) {
    self.key = key
    register = stateDirectory.map(PlaceRegister.init(directory:))
    pending = stateDirectory.map { PendingHook(directory: $0, key) }
    self.clock = clock
    self.store = store
  }

  /// The mover of an attempt: `make` makes that of the section, for the job that it is given.
  func mover(
    of end: RunEnd, _ job: RunJob, onEvent: @escaping @Sendable (MoverEvent) -> Void,
    make: @escaping (RunJob) throws -> any Mover
  ) throws -> any Mover {
    if let user = end.volume?.user, geteuid() != 0, user.userID != geteuid() {
      throw MoverFailure(
        .denied, "the mover cannot run as user \(user.userID): only root's Drover can do that",
        hint: "Run Drover as root, or leave moverSecurityContext out.")
    }
    let job = end.volume?.user == nil ? job : job.withoutCache
    guard let volume = end.volume,
      volume.readsCopy || volume.keepsImages || volume.bound.provision != nil
        || !volume.hooks.isEmpty
    else { return try make(job) }
    return VolumeMover(volume, job, keeper: self, onEvent: onEvent, make: make)
  }

  // MARK: The volume itself

  /// Makes the volume of a destination when it is not there.
  func prepare(_ volume: EndVolume) throws(VolumeError) {
    guard volume.role == .destination, try VolumeMaker().make(volume.bound) else { return }
    event(
      .normal, "PersistentVolumeClaimCreated",
      "created PersistentVolumeClaim/\(volume.claimName) at \(volume.bound.path)")
    if let claim = volume.ownClaim {
      store.put(claim, status: ["phase": .string("Bound")])
    }
  }

  // MARK: The copy that is read

  /// The copy of the run, made by its first attempt.
  func takeCopy(
    of volume: EndVolume, isCancelled: @escaping @Sendable () -> Bool
  ) throws(VolumeError) -> PointInTimeCopy {
    if let copy { return copy }
    try beginTriggered(volume)
    let maker = try maker(for: volume, isCancelled: isCancelled)
    let copy = try withHooks(of: volume, isCancelled: isCancelled) {
      () throws(VolumeError) in
      let start = clock.monotonicTime()
      let copy = try PointInTimeCopy(
        volume.copyFileName, of: volume.bound, with: maker, className: volume.className,
        capacityBytes: volume.capacityBytes)
      copySeconds = clock.monotonicTime().seconds(since: start)
      self.copy = copy
      return copy
    }
    endTriggered(volume)
    let isSnapshot = volume.method == .snapshot
    event(
      .normal, isSnapshot ? "VolumeSnapshotCreated" : "PersistentVolumeClaimCreated",
      "created \(isSnapshot ? "VolumeSnapshot" : "PersistentVolumeClaim")/\(volume.copyName) from"
        + " \(volume.claimName): \(copy.facts.text)")
    return copy
  }

  private func maker(
    for volume: EndVolume, isCancelled: @escaping @Sendable () -> Bool
  ) throws(VolumeError) -> CopyMaker {
    let place = try volume.place()
    do throws(PlatformError) {
      try register?.note(place)
    } catch {
      throw .copy(place.path, error)
    }
    return CopyMaker(
      place, volume.parameters, variables: volume.variables, isCancelled: isCancelled)
  }

  // MARK: Commands around it

  /// Runs the user's commands before and after `body`: the one after it in any case.
  func withHooks<Value>(
    of volume: EndVolume, isCancelled: () -> Bool, _ body: () throws(VolumeError) -> Value
  ) throws(VolumeError) -> Value {
    let hooks = volume.hooks
    if hooks.isEmpty { return try body() }
    let after = hooks.after.map { command(.hookAfter, $0, volume) }
    if let after { try pending?.note(after) }
    let result = Result { () throws(VolumeError) in
      if let before = hooks.before {
        try run(command(.hookBefore, before, volume), hooks, isCancelled)
      }
      return try body()
    }
    if let after {
      do throws(VolumeError) {
        // A run that is cancelled must not leave an application standing still.
        try run(after, hooks) { false }
        pending?.clear()
      } catch {
        pending?.clear()
        // What went wrong first is the failure.
        if case .success = result { throw error }
        event(.warning, "HookFailed", error.message)
      }
    }
    return try result.get()
  }

  private func command(
    _ annotation: Annotation, _ text: String, _ volume: EndVolume
  ) -> UserCommand {
    UserCommand(
      annotation.rawValue, text, timeoutSeconds: volume.hooks.timeoutSeconds,
      variables: volume.variables)
  }

  private func run(
    _ command: UserCommand, _ hooks: EndVolume.Hooks, _ isCancelled: () -> Bool
  ) throws(VolumeError) {
    do throws(VolumeError) {
      _ = try command.run(isCancelled: isCancelled)
    } catch {
      guard hooks.areOptional, error.kind != .cancelled else { throw error }
      event(.warning, "HookFailed", "\(error.message); the run goes on")
    }
  }

  // MARK: Images

  /// Keeps what the volume holds as an image.
  func takeImage(
    of volume: EndVolume, isCancelled: @escaping @Sendable () -> Bool
  ) throws(VolumeError) -> ReplicaImage {
    let images = ImageStore(try maker(for: volume, isCancelled: isCancelled))
    var request = ImageStore.Request(
      volume.bound, base: volume.imageBase, namespace: volume.namespace, owner: volume.owner)
    request.capacityBytes = volume.capacityBytes
    request.className = volume.className
    let time = clock.wallTime()
    let image = try withHooks(of: volume, isCancelled: isCancelled) { () throws(VolumeError) in
      let start = clock.monotonicTime()
      let image = try images.make(request, at: time)
      copySeconds = clock.monotonicTime().seconds(since: start)
      return image
    }
    store.put(image.manifest, status: image.status)
    event(
      .normal, "VolumeSnapshotCreated",
      "created VolumeSnapshot/\(image.name) from \(volume.claimName): \(image.facts.text)")
    imaged = volume
    return image
  }

  /// Removes images that are too many, and a volume that is not kept; after the status that names
  /// the new image was stored.
  private func trim(_ volume: EndVolume) throws(VolumeError) {
    let images = ImageStore(CopyMaker(try volume.place(), volume.parameters))
    let all = try images.images(of: volume.owner)
    let surplus = ImageStore.surplus(all, countMax: volume.imageCountMax) { image in
      volume.keptImages.contains(image.name)
    }
    for image in surplus {
      // One that is read goes after the next run. Cut short here, it has no object any more, and
      // goes then, too.
      guard !images.isRead(image) else { continue }
      store.remove(image.key)
      _ = try images.remove(image)
    }
    if volume.isTemporary {
      try VolumeMaker().remove(volume.bound)
      if let claim = volume.bound.claim { store.remove(claim) }
    }
  }

  // MARK: Cleaning up

  /// Removes what the run has left; safe to repeat.
  func cleanUp() throws(VolumeError) {
    try copy?.remove()
    copy = nil
    if let volume = imaged { try trim(volume) }
    imaged = nil
  }

  /// Removes what a run that is cut short has left: it is begun again.
  func release() {
    do throws(VolumeError) {
      try copy?.remove()
    } catch {
      // It is left over, and found by the next process.
      event(.warning, "CopyNotRemoved", error.message)
    }
    copy = nil
  }

  /// Removes the copies of killed processes where this end makes its own.
  func removeLeftovers(of end: RunEnd) {
    // A place that cannot be had is told by the run that needs it.
    guard let volume = end.volume, let place = try? volume.place() else { return }
    let result = CopyMaker.removeLeftovers(in: place) { name in
      name == volume.className ? volume.parameters : nil
    }
    for path in result.removed {
      event(.normal, "LeftoverRemoved", "removed \(path), which a killed process had left")
    }
    for failure in result.failures { event(.warning, "CopyNotRemoved", failure.message) }
  }

  var hasCopy: Bool { copy != nil }

  func time() -> WallTime { clock.wallTime() }

  func event(_ severity: EventRecord.Severity, _ reason: String, _ message: String) {
    store.add(EventRecord(severity, reason, message, at: clock.wallTime()), of: key)
  }
}
