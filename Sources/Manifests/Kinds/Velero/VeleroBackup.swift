/// The spec of a backup of Velero; also the template of a schedule.
package struct VeleroBackupSpec: Sendable {
  package static let ttlNanosecondsDefault: Int64 = 720 * 3_600_000_000_000

  package var selection: ResourceSelection
  package var storageLocation: String?
  package var ttlNanoseconds: Int64
  /// Whether all volumes of pods are backed up as files.
  package var backsUpFiles: Bool
  package var movesSnapshots: Bool
  package var hooks: [BackupHook]

  private static let oldFilters = [
    "includedResources", "excludedResources", "includeClusterResources",
  ]
  private static let newFilters = [
    "includedClusterScopedResources", "excludedClusterScopedResources",
    "includedNamespaceScopedResources", "excludedNamespaceScopedResources",
  ]

  init(_ spec: FieldReader) {
    selection = ResourceSelection(spec, selectorsOf: "backup")
    storageLocation = spec.string("storageLocation")
    ttlNanoseconds = spec.duration("ttl") ?? VeleroBackupSpec.ttlNanosecondsDefault
    let usesFiles = spec.bool("defaultVolumesToFsBackup")
    let usesRestic = spec.bool("defaultVolumesToRestic")
    backsUpFiles = usesFiles ?? usesRestic ?? false
    movesSnapshots = spec.bool("snapshotMoveData") ?? false
    hooks = BackupHook.all(spec)
    _ = spec.bool("includeClusterResources")
    _ = spec.bool("snapshotVolumes")
    for name in VeleroBackupSpec.newFilters { _ = spec.strings(name) }
    _ = spec.strings("volumeSnapshotLocations")
    _ = spec.stringMap("orderedResources")
    _ = spec.duration("csiSnapshotTimeout")
    _ = spec.duration("itemOperationTimeout")
    _ = spec.string("datamover")
    _ = spec.namedReference("resourcePolicy", "apiGroup", "kind")
    _ = spec.object("uploaderConfig")
    _ = spec.object("metadata")
    VeleroBackupSpec.checkFilters(spec)
    ResourceSelection.check(
      spec, "includedClusterScopedResources", "excludedClusterScopedResources")
    ResourceSelection.check(
      spec, "includedNamespaceScopedResources", "excludedNamespaceScopedResources")
  }

  private static func checkFilters(_ spec: FieldReader) {
    let names = spec.names
    guard let old = oldFilters.first(where: names.contains),
      let new = newFilters.first(where: names.contains)
    else { return }
    spec.report(new, "cannot be used together with \(old): use the one kind of filter or the other")
  }
}

/// A backup of Velero (features 49 to 56).
package struct VeleroBackup: Manifest {
  package static let kind = "Backup"
  package static let apiVersion = "velero.io/v1"
  package static let service = KindService.notServed

  package let metadata: ObjectMetadata
  package let spec: VeleroBackupSpec

  package init(metadata: ObjectMetadata, fields: FieldReader) {
    self.metadata = metadata
    let spec = fields.requiredObject("spec")
    self.spec = VeleroBackupSpec(spec)
    spec.finish()
  }
}

/// Backups of Velero by the clock (feature 66).
package struct VeleroSchedule: Manifest {
  package static let kind = "Schedule"
  package static let apiVersion = "velero.io/v1"
  package static let service = KindService.notServed

  package let metadata: ObjectMetadata
  package let trigger: TriggerSpec
  package let template: VeleroBackupSpec
  package let isPaused: Bool

  package init(metadata: ObjectMetadata, fields: FieldReader) {
    self.metadata = metadata
    let spec = fields.requiredObject("spec")
    trigger = TriggerSpec(schedule: spec.requiredSchedule("schedule"))
    let template = spec.requiredObject("template")
    self.template = VeleroBackupSpec(template)
    template.finish()
    isPaused = spec.bool("paused") ?? false
    _ = spec.bool("skipImmediately")
    _ = spec.bool("useOwnerReferencesInBackup")
    spec.finish()
  }
}
