import Manifests
package import Platform

/// The columns by which `drover get` shows a kind: those that kubectl shows, and more with
/// `-o wide`.
package struct ResourceColumns: Sendable {
  package struct Column: Sendable {
    package var name: String
    package var isWide = false
    /// The cell of an object; empty when it has none.
    package var cell: @Sendable (JSONObject, WallTime) -> String
  }

  package var columns: [Column]

  /// `showsNamespace` puts a column of it in front, for `-A`.
  package init(of uniqueKind: String, isWide: Bool, showsNamespace: Bool) {
    var columns = ResourceColumns.columns(of: uniqueKind).filter { isWide || !$0.isWide }
    columns.insert(.path("NAME", "metadata", "name"), at: 0)
    if showsNamespace { columns.insert(.path("NAMESPACE", "metadata", "namespace"), at: 0) }
    self.columns = columns
  }

  package var header: [String] { columns.map(\.name) }

  package func row(of object: JSONObject, now: WallTime) -> [String] {
    columns.map { $0.cell(object, now) }
  }

  private static func columns(of kind: String) -> [Column] {
    switch kind {
    case ReplicationSource.uniqueKind:
      [.path("SOURCE", "spec", "sourcePVC")] + replication
    case ReplicationDestination.uniqueKind: replication + [latestImage]
    case PersistentVolume.uniqueKind: persistentVolume
    case PersistentVolumeClaim.uniqueKind: persistentVolumeClaim
    case Secret.uniqueKind: [.path("TYPE", "type"), .count("DATA", ["data", "stringData"]), .age]
    case ConfigMap.uniqueKind: [.count("DATA", ["data", "binaryData"]), .age]
    case StorageClass.uniqueKind:
      [
        .path("PROVISIONER", "provisioner"), .path("RECLAIMPOLICY", "reclaimPolicy"),
        .path("VOLUMEBINDINGMODE", "volumeBindingMode"), .path("ROOT", "parameters", "root"), .age,
      ]
    case VolumeSnapshotClass.uniqueKind:
      [
        .path("DRIVER", "driver"), .path("DELETIONPOLICY", "deletionPolicy"),
        .path("METHOD", "parameters", "method"), .age,
      ]
    case VolumeSnapshot.uniqueKind: volumeSnapshot
    case HubBackupSchedule.uniqueKind, HubRestore.uniqueKind:
      [.path("PHASE", "status", "phase"), .path("MESSAGE", "status", "lastMessage")]
    case BackupStorageLocation.uniqueKind:
      [
        .path("PHASE", "status", "phase"),
        .since("LAST VALIDATED", "status", "lastValidationTime"), .age,
        .path("DEFAULT", "spec", "default"),
      ]
    case VeleroSchedule.uniqueKind:
      [
        .path("STATUS", "status", "phase"), .path("SCHEDULE", "spec", "schedule"),
        .since("LASTBACKUP", "status", "lastBackup"), .age, .path("PAUSED", "spec", "paused"),
      ]
    case VeleroBackup.uniqueKind, VeleroRestore.uniqueKind:
      [.path("STATUS", "status", "phase"), .age]
    default: [.age]
    }
  }

  /// VolSync's columns; the wide ones are Drover's.
  private static let replication: [Column] = [
    .path("LAST SYNC", "status", "lastSyncTime"),
    .path("DURATION", "status", "lastSyncDuration"),
    .path("NEXT SYNC", "status", "nextSyncTime"),
    .wide("MOVER") { object, _ in ReplicationView(object).mover ?? "" },
    .wide("STATE") { object, _ in ReplicationView(object).state },
    .wide("RESULT") { object, _ in ReplicationView(object).result ?? "" },
    .wide("LAG") { object, now in
      ReplicationView(object).lagSeconds(now: now).map { ageText(seconds: $0) } ?? ""
    },
    .wide("AGE") { object, now in Column.age.cell(object, now) },
  ]

  private static let latestImage = Column.wide("LATEST IMAGE") { object, _ in
    object.text("status", "latestImage", "name") ?? ""
  }

  private static let persistentVolume: [Column] = [
    .path("CAPACITY", "spec", "capacity", "storage"),
    Column(name: "ACCESS MODES") { object, _ in accessModes(object) },
    .path("RECLAIM POLICY", "spec", "persistentVolumeReclaimPolicy"),
    .path("STATUS", "status", "phase"),
    Column(name: "CLAIM") { object, _ in
      guard let name = object.text("spec", "claimRef", "name") else { return "" }
      return "\(object.text("spec", "claimRef", "namespace") ?? "default")/\(name)"
    },
    .path("STORAGECLASS", "spec", "storageClassName"), .age,
    .wide("PATH") { object, _ in
      object.text("spec", "hostPath", "path") ?? object.text("spec", "local", "path") ?? ""
    },
    .wide("VOLUMEMODE") { object, _ in object.text("spec", "volumeMode") ?? "Filesystem" },
  ]

  private static let persistentVolumeClaim: [Column] = [
    .path("STATUS", "status", "phase"), .path("VOLUME", "spec", "volumeName"),
    .path("CAPACITY", "spec", "resources", "requests", "storage"),
    Column(name: "ACCESS MODES") { object, _ in accessModes(object) },
    .path("STORAGECLASS", "spec", "storageClassName"), .age,
    .wide("VOLUMEMODE") { object, _ in object.text("spec", "volumeMode") ?? "Filesystem" },
  ]

  private static let volumeSnapshot: [Column] = [
    .path("READYTOUSE", "status", "readyToUse"),
    .path("SOURCEPVC", "spec", "source", "persistentVolumeClaimName"),
    .path("RESTORESIZE", "status", "restoreSize"),
    .path("SNAPSHOTCLASS", "spec", "volumeSnapshotClassName"),
    .since("CREATIONTIME", "status", "creationTime"), .age,
    .wide("CONSISTENCY") { object, _ in object.text("status", "drover", "consistency") ?? "" },
    .wide("PATH") { object, _ in object.text("status", "drover", "path") ?? "" },
  ]

  /// kubectl's short form: RWO, ROX, RWX, RWOP.
  private static func accessModes(_ object: JSONObject) -> String {
    let modes = object["spec"]?.objectValue?["accessModes"]?.arrayValue ?? []
    let short: [String: String] = [
      "ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX",
      "ReadWriteOncePod": "RWOP",
    ]
    return modes.compactMap(\.stringValue).map { short[$0] ?? $0 }.joined(separator: ",")
  }
}

extension ResourceColumns.Column {
  fileprivate static func path(_ name: String, _ path: String...) -> Self {
    Self(name: name) { object, _ in object.value(path).map(JSONPath.text(of:)) ?? "" }
  }

  fileprivate static func wide(
    _ name: String, _ cell: @escaping @Sendable (JSONObject, WallTime) -> String
  ) -> Self {
    Self(name: name, isWide: true, cell: cell)
  }

  /// How long ago the time at a path was.
  fileprivate static func since(_ name: String, _ path: String...) -> Self {
    Self(name: name) { object, now in
      guard let text = object.value(path)?.stringValue, let time = WallTime(rfc3339: text) else {
        return ""
      }
      return ageText(seconds: now.seconds - time.seconds)
    }
  }

  fileprivate static let age = since("AGE", "metadata", "creationTimestamp")

  /// How many members the mappings of these names have together.
  fileprivate static func count(_ name: String, _ fields: [String]) -> Self {
    Self(name: name) { object, _ in
      var names: Set<String> = []
      for field in fields {
        names.formUnion(object[field]?.objectValue?.members.map(\.name) ?? [])
      }
      return "\(names.count)"
    }
  }
}

extension JSONObject {
  package func value(_ path: [String]) -> JSONValue? {
    var value: JSONValue? = .object(self)
    for name in path { value = value?.objectValue?[name] }
    return value
  }

  package func text(_ path: String...) -> String? { value(path)?.stringValue }
}
