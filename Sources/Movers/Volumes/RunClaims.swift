import Control
package import Manifests
import Platform
import Volumes

/// Fills the claims of a run without state, from images that the run has made or found in the
/// status of the files.
package struct RunClaims {
  private let set: ManifestSet
  private let plan: RunPlan
  private let volumeRoot: String?

  package init(_ set: ManifestSet, _ plan: RunPlan, volumeRoot: String?) {
    self.set = set
    self.plan = plan
    self.volumeRoot = volumeRoot
  }

  /// Fills what can be filled after the run, and tells of each claim what became of it.
  package func fill(after report: RunReport, tell: (String) -> Void) {
    let binder = VolumeBinder(set, volumeRoot: volumeRoot)
    for claim in set.all(PersistentVolumeClaim.self) {
      guard let provision = binder.fillable(claim), let name = claim.populator else { continue }
      let fill = ClaimFill(claim.key, provision)
      if fill.isDone { continue }
      do throws(VolumeError) {
        guard let facts = try fillOne(claim, fill, name, report) else {
          throw .notFilled(claim: claim.key, destination: name)
        }
        tell("\(claim.key): filled, \(fill.path), \(facts.text)")
      } catch {
        tell("\(claim.key): \(error.message)")
      }
    }
  }

  private func fillOne(
    _ claim: PersistentVolumeClaim, _ fill: ClaimFill, _ name: String, _ report: RunReport
  ) throws(VolumeError) -> CopyFacts? {
    let key = ObjectKey(
      kind: ReplicationDestination.uniqueKind, namespace: claim.metadata.namespace, name: name)
    guard let end = plan.ends.first(where: { $0.key == key }), let volume = end.volume,
      let image = latestImage(of: key, report)
    else { return nil }
    let store = ImageStore(CopyMaker(try volume.place(), volume.parameters))
    guard let image = try store.image(image, in: volume.namespace),
      let held = try store.hold(image)
    else { return nil }
    return try withExtendedLifetime(held) { () throws(VolumeError) in
      try fill.fill(from: image) { false }
    }
  }

  private func latestImage(of key: ObjectKey, _ report: RunReport) -> String? {
    for object in report.objects.compactMap(\.objectValue) {
      let metadata = object["metadata"]?.objectValue
      guard object["kind"]?.stringValue == ReplicationDestination.kind,
        metadata?["name"]?.stringValue == key.name,
        metadata?["namespace"]?.stringValue ?? "default" == key.namespace
      else { continue }
      let status = object["status"]?.objectValue ?? JSONObject()
      guard let image = ReplicationStatus(document: status, section: nil).latestImage,
        image.kind == VolumeSnapshot.kind
      else { return nil }
      return image.name
    }
    return nil
  }
}
