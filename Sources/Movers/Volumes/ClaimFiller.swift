import Control
import Glibc
import Manifests
import Platform
import StateStore
import Volumes

/// Fills claims that name a destination as their source, each when that has an image: VolSync's
/// volume populator, with its events.
///
/// A thread of its own copies, so that nothing waits for it.
final class ClaimFiller: @unchecked Sendable {
  /// Between two looks at what claims wait for.
  private static let lookSeconds = 1.0

  private let directory: StateDirectory
  private let volumeRoot: String
  private let clock: any Clock
  private let complain: @Sendable (String) -> Void
  private let onFilled: @Sendable () -> Void
  private let lock = Lock()
  private let condition: Condition
  private let isCancelled = CancelFlag()
  // Guarded by `lock`.
  private var set = ManifestSet()
  private var isChanged = false
  private var thread: Thread<Void>?
  // Of the thread alone.
  private var told: [ObjectKey: String] = [:]

  /// `onFilled` is called when a claim has become a volume.
  init(
    _ directory: StateDirectory, volumeRoot: String, clock: any Clock,
    complain: @escaping @Sendable (String) -> Void, onFilled: @escaping @Sendable () -> Void
  ) {
    self.directory = directory
    self.volumeRoot = volumeRoot
    self.clock = clock
    self.complain = complain
    self.onFilled = onFilled
    condition = Condition(lock)
  }

  func start() {
    thread = Thread("claims") { [weak self] in
      while let self, let set = self.next() {
        self.told = self.told.filter { set.object($0.key) != nil }
        for claim in set.all(PersistentVolumeClaim.self) { self.look(claim, set) }
      }
    }
  }

  /// Looks at these objects from now on.
  func look(at set: ManifestSet) {
    lock.withLock {
      self.set = set
      isChanged = true
      condition.broadcast()
    }
  }

  /// Ends soon, and waits for it.
  func stop() {
    isCancelled.raise()
    lock.withLock { condition.broadcast() }
    // Its body does not throw.
    try? thread?.join()
    thread = nil
  }

  private func next() -> ManifestSet? {
    lock.withLock {
      let deadline = MonotonicTime.now().advanced(bySeconds: ClaimFiller.lookSeconds)
      while !isCancelled.isRaised, !isChanged {
        // Without a claim that waits there is nothing to look at.
        if told.isEmpty {
          condition.wait()
        } else if !condition.wait(until: deadline) {
          break
        }
      }
      isChanged = false
      return isCancelled.isRaised ? nil : set
    }
  }

  // MARK: One claim

  private func look(_ claim: PersistentVolumeClaim, _ set: ManifestSet) {
    guard let provision = VolumeBinder(set, volumeRoot: volumeRoot).fillable(claim) else { return }
    let fill = ClaimFill(claim.key, provision)
    if fill.isDone {
      told[claim.key] = nil
      store(claim.key, "Bound")
      return
    }
    do throws(ClaimProblem) {
      let image = try findImage(for: claim)
      tell(
        claim.key, .normal, "VolSyncPopulatorPVCCreated",
        "Populator pvc created from snapshot \(image.image.name)")
      let facts = try copy(image, fill)
      told[claim.key] = nil
      annotate(claim.key, image.image)
      tell(
        claim.key, .normal, "VolSyncPopulatorFinished",
        "Populator finished: \(fill.path), \(facts.text)")
      store(claim.key, "Bound")
      onFilled()
    } catch {
      if isCancelled.isRaised { return }
      store(claim.key, "Pending")
      // The same is told once.
      let text = "\(error.reason) \(error.message)"
      if told[claim.key] == text { return }
      told[claim.key] = text
      tell(claim.key, .warning, error.reason, error.message)
    }
  }

  private struct ClaimProblem: Error {
    var reason: String
    var message: String
  }

  /// The image, held against removal.
  private func findImage(
    for claim: PersistentVolumeClaim
  ) throws(ClaimProblem) -> (image: ReplicaImage, held: FileLock) {
    let name = claim.dataSource?.name ?? ""
    let namespace = claim.metadata.namespace ?? "default"
    let key = ObjectKey(
      kind: ReplicationDestination.uniqueKind, namespace: namespace, name: name)
    // One that cannot be read is as good as missing, until it can.
    guard let destination = try? directory.object(key) else {
      throw ClaimProblem(
        reason: "VolSyncPopulatorReplicationDestinationMissing",
        message: "Unable to populate volume: ReplicationDestination \(name) does not exist")
    }
    let status = ReplicationStatus(document: destination.own.status, section: nil)
    guard let reference = status.latestImage else {
      throw ClaimProblem(
        reason: "VolSyncPopulatorReplicationDestinationNoLatestImage",
        message: "Unable to populate volume: ReplicationDestination \(name) has no latestImage yet")
    }
    guard reference.kind == VolumeSnapshot.kind else {
      throw ClaimProblem(
        reason: "VolSyncPopulatorError",
        message: "Unable to populate volume: latestImage of ReplicationDestination \(name) is a "
          + "\(reference.kind), not a VolumeSnapshot: set copyMethod: Snapshot")
    }
    return try open(reference.name, namespace)
  }

  private func open(
    _ name: String, _ namespace: String
  ) throws(ClaimProblem) -> (image: ReplicaImage, held: FileLock) {
    let key = ObjectKey(kind: VolumeSnapshot.uniqueKind, namespace: namespace, name: name)
    // One that cannot be read is not there.
    let path = (try? directory.object(key))?.own.status["drover"]?.objectValue?["path"]?
      .stringValue
    if let path, let slash = path.lastIndex(of: "/") {
      let place = CopyPlace(path: String(path[..<slash]))
      let store = ImageStore(CopyMaker(place, CopyParameters()))
      // One that cannot be read is told below.
      if let image = (try? store.image(name, in: namespace)) ?? nil,
        let held = (try? store.hold(image)) ?? nil
      {
        return (image, held)
      }
    }
    throw ClaimProblem(
      reason: "VolSyncPopulatorError",
      message: "Unable to populate volume: the image of VolumeSnapshot \(name) is not there")
  }

  private func copy(
    _ found: (image: ReplicaImage, held: FileLock), _ fill: ClaimFill
  ) throws(ClaimProblem) -> CopyFacts {
    do throws(VolumeError) {
      return try withExtendedLifetime(found.held) { () throws(VolumeError) in
        try fill.fill(from: found.image) { [isCancelled] in isCancelled.isRaised }
      }
    } catch {
      throw ClaimProblem(
        reason: "VolSyncPopulatorPVCCreationError",
        message: "Unable to populate volume: \(error.message)")
    }
  }

  // MARK: What is kept of it

  private func store(_ key: ObjectKey, _ phase: String) {
    keeping { () throws(StateError) in
      try directory.update(key) { $0.status["phase"] = .string(phase) }
    }
  }

  private func annotate(_ key: ObjectKey, _ image: ReplicaImage) {
    keeping { () throws(StateError) in
      try directory.update(key) { own in
        own.annotations["volsync.backube/populated-from"] =
          .string("\(image.namespace)/\(image.name)")
      }
    }
  }

  private func tell(
    _ key: ObjectKey, _ severity: EventRecord.Severity, _ reason: String, _ message: String
  ) {
    keeping { () throws(StateError) in
      try directory.add(
        EventRecord(severity, reason, message, at: clock.wallTime()), of: key)
    }
  }

  private func keeping<Value>(_ body: () throws(StateError) -> Value) {
    do throws(StateError) { _ = try body() } catch { complain(error.description) }
  }
}
