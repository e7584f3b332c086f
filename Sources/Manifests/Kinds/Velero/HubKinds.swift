import Platform

/// Backups of an ACM hub by the clock (features 74 to 82, 92, 93).
package struct HubBackupSchedule: Manifest {
  package static let kind = "BackupSchedule"
  package static let apiVersion = hubVersion
  package static let aliases = ["backupschedules", "bsch"]
  package static let service = KindService.notServed

  package let metadata: ObjectMetadata
  package let trigger: TriggerSpec
  package let ttlNanoseconds: Int64
  package let usesManagedServiceAccount: Bool
  package let isPaused: Bool

  package init(metadata: ObjectMetadata, fields: FieldReader) {
    self.metadata = metadata
    let spec = fields.requiredObject("spec")
    trigger = TriggerSpec(schedule: spec.requiredSchedule("veleroSchedule"))
    ttlNanoseconds = spec.duration("veleroTtl") ?? VeleroBackupSpec.ttlNanosecondsDefault
    usesManagedServiceAccount = spec.bool("useManagedServiceAccount") ?? false
    let accountLifetime = spec.duration("managedServiceAccountTTL")
    isPaused = spec.bool("paused") ?? false
    _ = spec.bool("noBackupOnStart")
    _ = spec.bool("skipImmediately")
    _ = spec.bool("useOwnerReferencesInBackup")
    _ = spec.strings("volumeSnapshotLocations")
    spec.finish()
    if let accountLifetime, accountLifetime < ttlNanoseconds {
      spec.report(
        "managedServiceAccountTTL",
        "is shorter than veleroTtl (\(goDurationText(nanoseconds: ttlNanoseconds))): the tokens of "
          + "a backup would expire before it does")
    }
  }
}

private let hubVersion = "cluster.open-cluster-management.io/v1beta1"

/// A restore of an ACM hub (features 83 to 91). Velero's kind of the same name is
/// ``VeleroRestore``.
package struct HubRestore: Manifest {
  package static let kind = "Restore"
  package static let apiVersion = hubVersion
  package static let uniqueKind = "Restore.cluster.open-cluster-management.io"
  package static let aliases = ["restores", "crst"]
  package static let service = KindService.notServed

  package enum Cleanup: String, Sendable, CaseIterable {
    case none = "None"
    case restored = "CleanupRestored"
    case all = "CleanupAll"
  }

  /// Which backup of a group is restored.
  package enum Choice: Sendable, Equatable {
    case latest
    case skip
    case named(String)
  }

  package let metadata: ObjectMetadata
  package let cleanup: Cleanup?
  package let managedClusters: Choice?
  package let credentials: Choice?
  package let resources: Choice?
  package let syncsWithNewBackups: Bool
  package let syncIntervalNanoseconds: Int64

  package static let syncIntervalNanosecondsDefault: Int64 = 30 * 60_000_000_000
  package init(metadata: ObjectMetadata, fields: FieldReader) {
    self.metadata = metadata
    let spec = fields.requiredObject("spec")
    if !spec.has("cleanupBeforeRestore"), fields.has("spec") {
      spec.report(
        "cleanupBeforeRestore",
        "is required: None (a fresh hub), CleanupRestored (remove what an earlier restore has "
          + "made and this backup lacks) or CleanupAll")
    }
    cleanup = HubRestore.decodeCleanup(spec)
    managedClusters = HubRestore.choice(spec, "veleroManagedClustersBackupName")
    credentials = HubRestore.choice(spec, "veleroCredentialsBackupName")
    resources = HubRestore.choice(spec, "veleroResourcesBackupName")
    syncsWithNewBackups = spec.bool("syncRestoreWithNewBackups") ?? false
    syncIntervalNanoseconds =
      spec.duration("restoreSyncInterval") ?? HubRestore.syncIntervalNanosecondsDefault
    _ = ResourceSelection.selector(spec, "restoreLabelSelector")
    _ = spec.objects("restoreOrLabelSelectors").map(LabelSelector.init)
    for name in [
      "includedNamespaces", "excludedNamespaces", "includedResources", "excludedResources",
    ] {
      _ = spec.strings(name)
    }
    _ = spec.bool("restorePVs")
    _ = RestoreHook.all(spec)
    VeleroRestore.decodeRest(spec)
    spec.finish()
    checkSync(spec)
  }

  private static func decodeCleanup(_ spec: FieldReader) -> Cleanup? {
    guard let text = spec.string("cleanupBeforeRestore") else { return nil }
    if let cleanup = Cleanup(rawValue: text) { return cleanup }
    let names = Cleanup.allCases.map(\.rawValue)
    spec.report(
      "cleanupBeforeRestore",
      "invalid CleanupBeforeRestore value : \(text) -- must be \(names.joined(separator: ", "))",
      suggestion: nearest(to: text, in: names))
    return nil
  }

  private static func choice(_ spec: FieldReader, _ name: String) -> Choice? {
    guard spec.has(name) else {
      spec.report(name, "is required: latest, skip, or the name of a backup")
      return nil
    }
    guard let text = spec.requiredString(name), !text.isEmpty else { return nil }
    switch text {
    case "latest": return .latest
    case "skip": return .skip
    default:
      if let meant = nearest(to: text, in: ["latest", "skip"]) {
        spec.report(
          name, "\"\(text)\" is neither latest nor skip, nor like the name of a backup",
          suggestion: meant)
      }
      return .named(text)
    }
  }

  /// ACM accepts other combinations, and then ignores the synchronization without a word but in the
  /// status.
  private func checkSync(_ spec: FieldReader) {
    guard syncsWithNewBackups else { return }
    for (name, choice) in [
      ("veleroCredentialsBackupName", credentials), ("veleroResourcesBackupName", resources),
    ] {
      guard let choice, choice != .latest else { continue }
      spec.report(
        name, "must be latest with syncRestoreWithNewBackups: no newer backup would be restored")
    }
    guard case .named? = managedClusters else { return }
    spec.report(
      "veleroManagedClustersBackupName",
      "must be skip, or latest to activate, with syncRestoreWithNewBackups")
  }
}
