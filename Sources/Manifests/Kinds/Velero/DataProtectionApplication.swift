/// The set-up of OADP: where backups rest, which parts run (features 57, 58, 97).
package struct DataProtectionApplication: Manifest {
  package static let kind = "DataProtectionApplication"
  package static let apiVersion = "oadp.openshift.io/v1alpha1"
  package static let aliases = ["dataprotectionapplications", "dpa"]
  package static let service = KindService.notServed

  package let metadata: ObjectMetadata
  package let backupLocations: [BackupStorageSpec]
  package let defaultPlugins: [String]
  package let movesData: Bool
  /// The Secret with `RESTIC_PASSWORD` of the data mover.
  package let dataMoverCredential: String

  package init(metadata: ObjectMetadata, fields: FieldReader) {
    self.metadata = metadata
    let spec = fields.requiredObject("spec")
    backupLocations = DataProtectionApplication.locations(spec)
    DataProtectionApplication.snapshotLocations(spec)
    let configuration = spec.requiredObject("configuration")
    defaultPlugins = DataProtectionApplication.server(configuration)
    for name in ["restic", "nodeAgent"] {
      if let agent = configuration.object(name) { DataProtectionApplication.agent(agent) }
    }
    configuration.finish()
    let features = spec.object("features")
    let mover = features?.object("dataMover")
    movesData = mover?.bool("enable") ?? false
    dataMoverCredential = mover?.string("credentialName") ?? "dm-credential"
    if let mover { DataProtectionApplication.dataMover(mover) }
    features?.finish()
    for name in ["unsupportedOverrides", "podAnnotations"] { _ = spec.stringMap(name) }
    _ = spec.bool("backupImages")
    _ = spec.string("podDnsPolicy")
    _ = spec.object("podDnsConfig")
    _ = spec.string("imagePullPolicy")
    _ = spec.string("logFormat")
    _ = spec.object("nonAdmin")
    spec.finish()
    let defaults = backupLocations.count(where: \.isDefault)
    if defaults > 1 {
      spec.report("backupLocations", "has \(defaults) entries with default: true; one may have it")
    }
  }

  private static func locations(_ spec: FieldReader) -> [BackupStorageSpec] {
    spec.objects("backupLocations").compactMap { entry in
      defer { entry.finish() }
      _ = entry.string("name")
      // Made by the operator, in the shape of the operator.
      let bucket = entry.object("bucket")
      guard let location = entry.object("velero") else {
        if bucket == nil { entry.report("velero", "is required") }
        return nil
      }
      defer { location.finish() }
      return BackupStorageSpec(location)
    }
  }

  private static func snapshotLocations(_ spec: FieldReader) {
    for entry in spec.objects("snapshotLocations") {
      _ = entry.string("name")
      if let location = entry.object("velero") {
        _ = VolumeSnapshotLocation.decode(location)
        location.finish()
      } else {
        entry.report("velero", "is required")
      }
      entry.finish()
    }
  }

  private static func server(_ configuration: FieldReader) -> [String] {
    guard let server = configuration.object("velero") else { return [] }
    defer { server.finish() }
    for name in ["featureFlags"] { _ = server.strings(name) }
    for name in ["customPlugins", "loadAffinity"] { _ = server.objects(name) }
    for name in [
      "noDefaultBackupLocation", "defaultVolumesToFSBackup", "disableFsBackup",
      "defaultSnapshotMoveData", "disableInformerCache",
    ] {
      _ = server.bool(name)
    }
    for name in ["itemOperationSyncFrequency", "defaultItemOperationTimeout", "resourceTimeout"] {
      _ = server.duration(name)
    }
    for name in ["itemBlockWorkerCount", "concurrentBackups", "client-burst", "client-qps"] {
      _ = server.integer(name, in: 0...Int64(Int32.max))
    }
    for name in ["podConfig", "args"] { _ = server.object(name) }
    _ = server.string("restoreResourcesVersionPriority")
    _ = server.string("logLevel")
    return server.strings("defaultPlugins")
  }

  private static func agent(_ agent: FieldReader) {
    _ = agent.bool("enable")
    _ = agent.string("uploaderType")
    _ = agent.duration("timeout")
    for name in [
      "podConfig", "loadConcurrency", "backupPVC", "restorePVC", "podResources", "cacheConfig",
    ] {
      _ = agent.object(name)
    }
    agent.ignore("supplementalGroups", "loadAffinity")
    agent.finish()
  }

  private static func dataMover(_ mover: FieldReader) {
    _ = mover.duration("timeout")
    for name in ["maxConcurrentBackupVolumes", "maxConcurrentRestoreVolumes", "pruneInterval"] {
      // The published API writes them as texts.
      if let text = mover.value(name)?.scalarText, Int32(text).map({ $0 >= 0 }) == true { continue }
      if mover.has(name) { mover.report(name, "must be a whole number, not negative") }
    }
    _ = mover.schedule("schedule")
    if let policy = mover.object("snapshotRetainPolicy") {
      for name in ["hourly", "daily", "weekly", "monthly", "yearly"] {
        policy.ignore(name)
        guard let text = policy.value(name)?.scalarText, Int32(text).map({ $0 >= 0 }) != true
        else { continue }
        policy.report(name, "must be a whole number, not negative")
      }
      _ = policy.string("within")
      policy.finish()
    }
    // By the names of classes.
    _ = mover.object("volumeOptionsForStorageClasses")
    mover.finish()
  }
}
