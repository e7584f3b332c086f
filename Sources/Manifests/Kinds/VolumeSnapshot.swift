/// A replica image, or another snapshot of a volume, under a name.
package struct VolumeSnapshot: Manifest {
  package static let kind = "VolumeSnapshot"
  package static let aliases = ["volumesnapshots", "vs"]
  package static let apiVersion = "snapshot.storage.k8s.io/v1"
  /// With it, whatever its value, an image is never removed, and does not count as one that is
  /// kept.
  package static let keepLabel = "volsync.backube/do-not-delete"

  package let metadata: ObjectMetadata
  /// The claim that it was made of.
  package let claimName: String?
  package let className: String?

  package init(metadata: ObjectMetadata, fields: FieldReader) {
    self.metadata = metadata
    let spec = fields.requiredObject("spec")
    if let source = spec.object("source") {
      claimName = source.string("persistentVolumeClaimName")
      _ = source.string("volumeSnapshotContentName")
      source.finish()
    } else {
      claimName = nil
      spec.report("source", "is required")
    }
    className = spec.string("volumeSnapshotClassName")
    spec.finish()
  }

  package var isKept: Bool { metadata.labels[VolumeSnapshot.keepLabel] != nil }
}
