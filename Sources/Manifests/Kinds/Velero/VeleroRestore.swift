/// A restore of Velero (features 69 to 73). ACM's kind of the same name is ``HubRestore``.
package struct VeleroRestore: Manifest {
  package static let kind = "Restore"
  package static let apiVersion = "velero.io/v1"
  package static let uniqueKind = "Restore.velero.io"
  package static let service = KindService.notServed

  package enum ExistingResourcePolicy: String, Sendable, CaseIterable {
    case none
    case update
  }

  package let metadata: ObjectMetadata
  package let backupName: String?
  package let scheduleName: String?
  package let selection: ResourceSelection
  package let restoresVolumes: Bool?
  package let existingResourcePolicy: ExistingResourcePolicy
  package let hooks: [RestoreHook]

  /// What Velero never restores.
  private static let nonRestorable = [
    "nodes", "events", "events.events.k8s.io", "backups.velero.io", "restores.velero.io",
    "resticrepositories.velero.io", "csinodes.storage.k8s.io", "volumeattachments.storage.k8s.io",
    "backuprepositories.velero.io",
  ]

  package init(metadata: ObjectMetadata, fields: FieldReader) {
    self.metadata = metadata
    let spec = fields.requiredObject("spec")
    backupName = spec.string("backupName")
    scheduleName = spec.string("scheduleName")
    selection = ResourceSelection(spec, selectorsOf: "restore")
    restoresVolumes = spec.bool("restorePVs")
    existingResourcePolicy = spec.choice("existingResourcePolicy") ?? .none
    hooks = RestoreHook.all(spec)
    VeleroRestore.decodeRest(spec)
    if fields.has("spec") { checkOrigin(spec) }
    for name in selection.includedResources where VeleroRestore.nonRestorable.contains(name) {
      spec.report("includedResources", "\"\(name)\" cannot be restored")
    }
    spec.finish()
  }

  /// What restores of Velero and of a hub have in common and nothing here goes by.
  static func decodeRest(_ spec: FieldReader) {
    _ = spec.stringMap("namespaceMapping")
    if let status = spec.object("restoreStatus") {
      _ = status.strings("includedResources")
      _ = status.strings("excludedResources")
      status.finish()
    }
    _ = spec.bool("preserveNodePorts")
    _ = spec.bool("includeClusterResources")
    _ = spec.duration("itemOperationTimeout")
    _ = spec.namedReference("resourceModifier", "apiGroup", "kind")
    _ = spec.object("uploaderConfig")
  }

  private func checkOrigin(_ spec: FieldReader) {
    let isBackup = backupName?.isEmpty == false
    let isSchedule = scheduleName?.isEmpty == false
    guard isBackup == isSchedule else { return }
    spec.report(
      spec.node.mark, spec.path,
      "Either a backup or schedule must be specified as a source for the restore, but not both: "
        + (isBackup ? "remove backupName or scheduleName" : "add backupName or scheduleName"))
  }
}
