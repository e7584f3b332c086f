import Control
import Manifests
import Platform
import Volumes

/// What planning of every section shares: the objects, their volumes, and what stands against a
/// run. Confined to one thread.
final class PlanContext {
  let set: ManifestSet
  let binder: VolumeBinder
  /// What is wrong in the files, or not served.
  let problems = ProblemList()
  /// What is wrong with volumes of this host.
  let volumeProblems = ProblemList()

  init(_ set: ManifestSet) {
    self.set = set
    binder = VolumeBinder(set)
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
      case .noClaim, .noVolume, .copyMethod: return nil
      default: break
      }
      let text = error.hint.map { "\(error.message). \($0)" } ?? error.message
      let list = error.kind == .usage ? problems : volumeProblems
      list.add(Problem(object.mark, object: object.label, text))
      return nil
    }
  }

  /// The volume that a source reads or that a destination fills, or nil after a report.
  func volume<Section>(of candidate: Candidate<ReplicationSource, Section>) -> BoundVolume? {
    bind(candidate.object) { () throws(VolumeError) in
      try binder.bind(source: candidate.replication)
    }
  }

  func volume<Section>(of candidate: Candidate<ReplicationDestination, Section>) -> BoundVolume? {
    bind(candidate.object) { () throws(VolumeError) in
      try binder.bind(destination: candidate.replication)
    }
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
    SyncSpec(trigger: replication.trigger, isPaused: replication.isPaused)
  }
}

extension LoadedObject {
  /// `kind/name`, as messages name objects.
  var label: String { "\(key.kind)/\(key.name)" }
}

extension BoundVolume {
  /// What a destination publishes that is filled itself; nil for a path without a claim.
  var image: ImageReference? {
    claim.map { ImageReference(apiGroup: "", kind: $0.kind, name: $0.name) }
  }
}
