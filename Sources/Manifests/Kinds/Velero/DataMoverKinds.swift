/// A snapshot on its way to the object store (features 59, 61, 62).
package struct VolumeSnapshotBackup: Manifest {
  package static let kind = "VolumeSnapshotBackup"
  package static let apiVersion = "datamover.oadp.openshift.io/v1alpha1"
  package static let aliases = ["volumesnapshotbackups", "vsb"]
  package static let service = KindService.notServed

  package let metadata: ObjectMetadata
  package let snapshotContentName: String
  package let protectedNamespace: String
  package let resticSecretName: String

  package init(metadata: ObjectMetadata, fields: FieldReader) {
    self.metadata = metadata
    let spec = fields.requiredObject("spec")
    snapshotContentName = spec.requiredReference("volumeSnapshotContent")
    protectedNamespace = spec.requiredString("protectedNamespace") ?? ""
    resticSecretName = spec.requiredReference("resticSecretRef")
    spec.finish()
  }
}

/// A volume on its way back from the object store (features 60 to 63).
package struct VolumeSnapshotRestore: Manifest {
  package static let kind = "VolumeSnapshotRestore"
  package static let apiVersion = "datamover.oadp.openshift.io/v1alpha1"
  package static let aliases = ["volumesnapshotrestores", "vsr"]
  package static let service = KindService.notServed

  package let metadata: ObjectMetadata
  package let protectedNamespace: String
  package let resticSecretName: String
  package let sourceClaim: String
  package let sourceSize: Quantity?
  package let repository: String

  package init(metadata: ObjectMetadata, fields: FieldReader) {
    self.metadata = metadata
    let spec = fields.requiredObject("spec")
    protectedNamespace = spec.requiredString("protectedNamespace") ?? ""
    resticSecretName = spec.requiredReference("resticSecretRef")
    let backup = spec.requiredObject("volumeSnapshotMoverBackupRef")
    let claim = backup.requiredObject("sourcePVCData")
    sourceClaim = claim.requiredString("name") ?? ""
    if !claim.has("size") { claim.report("size", "is required") }
    sourceSize = claim.quantity("size")
    _ = claim.string("storageClassName")
    claim.finish()
    repository = backup.requiredString("resticrepository") ?? ""
    _ = backup.string("volumeSnapshotClassName")
    backup.finish()
    spec.finish()
  }
}

extension FieldReader {
  /// The `name` in a field that refers to another object and must be there.
  fileprivate func requiredReference(_ name: String) -> String {
    guard has(name) else {
      report(name, "is required")
      return ""
    }
    return namedReference(name) ?? ""
  }
}
