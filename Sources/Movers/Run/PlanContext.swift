import Control
import Manifests
import Platform
import Triggers
import Volumes

/// What planning of every section shares: the objects, their volumes, and what stands against a
/// run. Confined to one thread.
final class PlanContext {
  let set: ManifestSet
  let binder: VolumeBinder
  private let localZone = TimeZone.local()
  /// What is wrong in the files, or not served.
  let problems = ProblemList()
  /// What is wrong with volumes of this host.
  let volumeProblems = ProblemList()
  /// Ends that a guard holds up, and nothing that is wrong.
  private(set) var held: [ObjectKey: GuardName] = [:]
  /// The volumes of ends that were bound.
  private var volumes: [ObjectKey: BoundVolume] = [:]

  /// `volumeRoot` is where volumes are made whose class names no other directory; nil when none
  /// are made.
  init(_ set: ManifestSet, volumeRoot: String?) {
    self.set = set
    binder = VolumeBinder(set, volumeRoot: volumeRoot)
  }

  /// The volume of an object, or nil after a report.
  func bind(
    _ object: LoadedObject, _ body: () throws(VolumeError) -> BoundVolume
  ) -> BoundVolume? {
    do {
      return try body()
    } catch {
      switch error {
      // Reported by the check of references, or with the section.
      case .noClaim, .noVolume: return nil
      default: break
      }
      let text = error.hint.map { "\(error.message). \($0)" } ?? error.message
      let list = error.kind == .usage ? problems : volumeProblems
      list.add(Problem(object.mark, object: object.label, text))
      if case .notFilled = error { held[object.key] = .imageNotReady }
      return nil
    }
  }

  /// The volume that a source reads or that a destination fills, or nil after a report.
  func volume<Section>(of candidate: Candidate<ReplicationSource, Section>) -> BoundVolume? {
    let volume = bind(candidate.object) { () throws(VolumeError) in
      try binder.bind(source: candidate.replication)
    }
    volumes[candidate.key] = volume
    return volume
  }

  func volume<Section>(of candidate: Candidate<ReplicationDestination, Section>) -> BoundVolume? {
    let volume = bind(candidate.object) { () throws(VolumeError) in
      try binder.bind(destination: candidate.replication)
    }
    volumes[candidate.key] = volume
    return volume
  }

  /// An end with its trigger and the zone of its schedule.
  func end<Kind, Section>(of candidate: Candidate<Kind, Section>, _ job: RunJob) -> RunEnd {
    let metadata = candidate.replication.metadata
    let name = candidate.replication.trigger.schedule?.zoneName ?? metadata[.timeZone]
    // A zone that is not known was told when the files were read.
    let zone = name.flatMap { try? TimeZone.named($0) } ?? localZone
    var job = job
    // What is no setting was told when the files were read.
    let setting = metadata[.guardLevel].flatMap(GuardSetting.init) ?? GuardSetting()
    job.guards = JobGuards(GuardTable.limits(setting))
    var end = RunEnd(object: candidate.object, spec: candidate.spec, job: job, zone: zone)
    end.copyFields = candidate.object.copyFields
    if let volume = volumes[candidate.key] {
      let volume = EndVolume(of: candidate.replication, volume, set)
      end.volume = volume
      check(volume, of: candidate.replication, candidate.object)
    }
    return end
  }

  /// Refuses what would lose data.
  private func check(
    _ volume: EndVolume, of replication: some Replication, _ object: LoadedObject
  ) {
    guard let mover = replication.mover, let options = mover.volume else { return }
    if options.cleanupTempPVC, options.destinationPVC == nil, !volume.keepsImages {
      report(
        object, "spec.\(mover.name).cleanupTempPVC",
        "would remove what was received: with it, copyMethod must be Snapshot")
    }
    var deletes = false
    switch mover {
    case .rclone: deletes = true
    case .restic(let section): deletes = section.enableFileDeletion
    default: break
    }
    // A place that cannot be had is told by the run that needs it.
    guard volume.keepsImages, deletes, let place = try? volume.place(), place.isInside else {
      return
    }
    report(
      object, at: options.copyMethod?.mark, "spec.\(mover.name).copyMethod",
      "images would stand within \(volume.bound.path), the root of a file system, where "
        + "\(mover.name) deletes them: fill a directory below it, or name a root for images in a "
        + "VolumeSnapshotClass")
  }

  func report(
    _ object: LoadedObject, at mark: Mark? = nil, _ path: String, _ text: String,
    suggestion: String? = nil
  ) {
    problems.add(
      Problem(
        mark ?? object.mark, object: object.label, path: path, text, suggestion: suggestion))
  }
}

/// A replication with the section that planning looks at.
struct Candidate<Kind: Replication, Section: Sendable> {
  let replication: Kind
  let section: Section
  let object: LoadedObject

  var key: ObjectKey { replication.key }

  var spec: SyncSpec {
    let metadata = replication.metadata
    return SyncSpec(
      trigger: replication.trigger, isPaused: replication.isPaused,
      waitsForSchedule: metadata[.waitForSchedule] == "true",
      delaySeconds: key.delaySeconds(jitter: metadata[.jitter].flatMap(goDurationNanoseconds) ?? 0))
  }
}

extension ObjectKey {
  /// The object's own share of a jitter in nanoseconds: the same each time, of each object another.
  func delaySeconds(jitter: Int64) -> Int64 {
    let seconds = UInt64(max(0, jitter) / 1_000_000_000)
    // FNV-1a.
    let hash = "\(kind)/\(namespace ?? "")/\(name)".utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    return Int64(hash % (seconds + 1))
  }
}

extension LoadedObject {
  /// `kind/name`, as messages name objects.
  var label: String { "\(key.kind)/\(key.name)" }
}

extension RunEnd {
  /// What a destination publishes that is filled itself; nil for a path without a claim, and where
  /// images are kept.
  var publishedClaim: ImageReference? {
    guard let volume, !volume.keepsImages, let claim = volume.bound.claim else { return nil }
    return ImageReference(apiGroup: "", kind: claim.kind, name: claim.name)
  }
}
