extension KindTables {
  private static let later = Treatment.notServed()

  /// A field of a kind for which nothing is done yet.
  private static func later(
    _ name: String, _ type: FieldType, _ text: String, _ children: [Field] = []
  ) -> Field {
    Field(name, type, later, text, children)
  }

  private static func neededLater(
    _ name: String, _ type: FieldType, _ text: String, _ children: [Field] = []
  ) -> Field {
    .required(name, type, later, text, children)
  }

  // MARK: parts

  private static let selector: [Field] = [
    later("matchLabels", .stringMap, "Labels that must all be there with these values."),
    later(
      "matchExpressions", .objects, "Requirements that must all hold.",
      [
        neededLater("key", .string, "The label."),
        neededLater(
          "operator", .word(LabelSelector.Operator.allCases.map(\.rawValue)), "The comparison."),
        later("values", .strings, "With what; none for Exists and DoesNotExist."),
      ]),
  ]

  private static let resources: [Field] = [
    later("includedNamespaces", .strings, "Only these namespaces; empty for all."),
    later("excludedNamespaces", .strings, "Not these namespaces."),
    later("includedResources", .strings, "Only these kinds; empty for all."),
    later("excludedResources", .strings, "Not these kinds."),
  ]

  private static let selectors: [Field] = [
    later("labelSelector", .object, "Only what has all of these labels.", selector),
    later(
      "orLabelSelectors", .objects, "What any of these takes; never beside labelSelector.",
      selector),
  ]

  private static let onError = later(
    "onError", .word(HookErrorMode.allCases.map(\.rawValue)), "What becomes of the run if it fails."
  )

  private static let backupCommands: [Field] = [
    neededLater(
      "exec", .object, "A command in a container.",
      [
        later("container", .string, "The container; the first one without it."),
        neededLater("command", .strings, "The program with its arguments."),
        onError,
        later("timeout", .duration, "How long it may take; 30s."),
      ])
  ]

  private static let backupHooks = later(
    "hooks", .object, "Commands around the backup of pods.",
    [
      later(
        "resources", .objects, "Each for some pods.",
        [
          neededLater("name", .string, "The name of the hook.")
        ] + resources + [
          later("labelSelector", .object, "Only pods with all of these labels.", selector),
          later("pre", .objects, "Before the pod is backed up.", backupCommands),
          later("post", .objects, "After the pod was backed up.", backupCommands),
        ])
    ])

  private static let restoreHooks = later(
    "hooks", .object, "What runs after the restore of pods.",
    [
      later(
        "resources", .objects, "Each for some pods.",
        [
          neededLater("name", .string, "The name of the hook.")
        ] + resources + [
          later("labelSelector", .object, "Only pods with all of these labels.", selector),
          neededLater(
            "postHooks", .objects, "Each has one of exec and init.",
            [
              later(
                "exec", .object, "A command in a container.",
                [
                  later("container", .string, "The container; the first one without it."),
                  neededLater("command", .strings, "The program with its arguments."),
                  onError,
                  later("execTimeout", .duration, "How long it may take; 30s."),
                  later(
                    "waitTimeout", .duration, "How long the container may take to start."),
                  later("waitForReady", .boolean, "Whether it waits for Ready, not for Running."),
                ]),
              later(
                "init", .object, "Containers before those of the application.",
                [
                  neededLater(
                    "initContainers", .objects, "Containers, with all fields that Kubernetes has.",
                    [
                      neededLater("name", .string, "The name of the container."),
                      later("image", .string, "Its image."),
                      later("command", .strings, "Its program with arguments."),
                    ]),
                  later("timeout", .duration, "How long they may take."),
                ]),
            ]),
        ])
    ])

  private static func reference(_ name: String, _ text: String) -> Field {
    later(
      name, .object, text,
      [
        neededLater("name", .string, "Its name."),
        later("kind", .string, "Its kind."),
        later("apiGroup", .string, "The group of the kind."),
      ])
  }

  // MARK: Velero

  private static let backupSpec: [Field] =
    resources + selectors + [
      later("includedClusterScopedResources", .strings, "Only these kinds of the whole cluster."),
      later("excludedClusterScopedResources", .strings, "Not these kinds of the whole cluster."),
      later("includedNamespaceScopedResources", .strings, "Only these kinds of namespaces."),
      later("excludedNamespaceScopedResources", .strings, "Not these kinds of namespaces."),
      later(
        "includeClusterResources", .boolean, "Whether objects of the whole cluster belong to it."),
      later("storageLocation", .string, "The BackupStorageLocation where it rests."),
      later("volumeSnapshotLocations", .strings, "Where snapshots of volumes rest."),
      later("ttl", .duration, "How long it is kept; 720h."),
      later("snapshotVolumes", .boolean, "Whether snapshots of volumes are taken."),
      later("snapshotMoveData", .boolean, "Whether snapshots are carried to the store."),
      later("datamover", .string, "Which data mover carries them."),
      later(
        "defaultVolumesToFsBackup", .boolean, "Whether volumes of pods are backed up as files."),
      later("defaultVolumesToRestic", .boolean, "The old name of defaultVolumesToFsBackup."),
      later("orderedResources", .stringMap, "In which order objects of a kind are backed up."),
      later("csiSnapshotTimeout", .duration, "How long a snapshot may take; 10m."),
      later("itemOperationTimeout", .duration, "How long work in the background may take; 4h."),
      reference("resourcePolicy", "Rules for volumes, in a ConfigMap."),
      later("uploaderConfig", .object, "How files are read."),
      later("metadata", .object, "Labels of the backups of a schedule."),
      backupHooks,
    ]

  static let backup = kind(
    VeleroBackup.self, "A backup by Velero (OADP): objects of a cluster, and the volumes they use.",
    [
      .required("spec", .object, later, "What is asked for.", backupSpec)
    ])

  static let schedule = kind(
    VeleroSchedule.self, "Backups by Velero, by the clock.",
    [
      .required(
        "spec", .object, later, "What is asked for.",
        [
          neededLater("schedule", .string, "Five cron fields, or a nickname such as @daily."),
          neededLater("template", .object, "The spec of the backups.", backupSpec),
          later("paused", .boolean, "Whether no backup is made."),
          later("skipImmediately", .boolean, "Whether one that is due at once is passed over."),
          later("useOwnerReferencesInBackup", .boolean, "Whether backups go with the schedule."),
        ])
    ])

  private static let restoreRest: [Field] = [
    later("namespaceMapping", .stringMap, "Other names for namespaces."),
    later(
      "restoreStatus", .object, "Which kinds get their status back.",
      [
        later("includedResources", .strings, "Only these kinds."),
        later("excludedResources", .strings, "Not these kinds."),
      ]),
    later("preserveNodePorts", .boolean, "Whether Services keep their node ports."),
    later("includeClusterResources", .boolean, "Whether objects of the whole cluster come back."),
    later("itemOperationTimeout", .duration, "How long work in the background may take; 4h."),
    reference("resourceModifier", "Changes to objects, in a ConfigMap."),
    later("uploaderConfig", .object, "How files are written."),
    later("restorePVs", .boolean, "Whether volumes come back."),
    restoreHooks,
  ]

  static let restore = kind(
    VeleroRestore.self,
    "A restore by Velero (OADP): one of a backup, or of the newest of a schedule.",
    [
      .required(
        "spec", .object, later, "What is asked for.",
        [
          later("backupName", .string, "The backup; or name a schedule."),
          later("scheduleName", .string, "The schedule whose newest backup is restored."),
          later(
            "existingResourcePolicy",
            .word(VeleroRestore.ExistingResourcePolicy.allCases.map(\.rawValue)),
            "What becomes of objects that are there: none leaves them, update changes them."),
        ] + resources + selectors + restoreRest)
    ])

  private static let credential = later(
    "credential", .object, "The Secret with the credentials.",
    [
      neededLater("name", .string, "Its name."),
      neededLater("key", .string, "The key in it."),
      later("optional", .boolean, "Whether it may be missing."),
    ])

  private static let storageSpec: [Field] = [
    neededLater("provider", .string, "The kind of store, such as aws."),
    neededLater(
      "objectStorage", .object, "Where in the store.",
      [
        neededLater("bucket", .string, "The bucket."),
        later("prefix", .string, "A path in it."),
        later("caCert", .string, "Certificates to trust, in base64."),
      ]),
    credential,
    later("default", .boolean, "Whether backups that name no location rest here."),
    later(
      "accessMode", .word(BackupStorageSpec.AccessMode.allCases.map(\.rawValue)),
      "Whether it may be written."),
    later("config", .stringMap, "Options of the provider: region, profile, serverSideEncryption."),
    later("backupSyncPeriod", .duration, "How often the store is looked at for backups."),
    later("validationFrequency", .duration, "How often it is tried; 1m."),
  ]

  static let backupStorageLocation = kind(
    BackupStorageLocation.self, "A place where backups of Velero rest.",
    [
      .required("spec", .object, later, "What is asked for.", storageSpec)
    ])

  private static let snapshotLocationSpec: [Field] = [
    neededLater("provider", .string, "The kind of store, such as aws."),
    later("config", .stringMap, "Options of the provider."),
    credential,
  ]

  static let volumeSnapshotLocation = kind(
    VolumeSnapshotLocation.self, "A place where Velero keeps snapshots of volumes.",
    [
      .required("spec", .object, later, "What is asked for.", snapshotLocationSpec)
    ])

  // MARK: OADP

  static let dataProtectionApplication = kind(
    DataProtectionApplication.self, "The set-up of OADP: where backups rest, and which parts run.",
    [
      .required(
        "spec", .object, later, "What is asked for.",
        [
          later(
            "backupLocations", .objects, "Where backups rest.",
            [
              later("name", .string, "The name of the location."),
              later("velero", .object, "As the spec of a BackupStorageLocation.", storageSpec),
              later("bucket", .object, "A bucket that OADP makes."),
            ]),
          later(
            "snapshotLocations", .objects, "Where snapshots rest.",
            [
              later("name", .string, "The name of the location."),
              neededLater(
                "velero", .object, "As the spec of a VolumeSnapshotLocation.",
                snapshotLocationSpec),
            ]),
          neededLater(
            "configuration", .object, "Which parts run, and how.",
            [
              later("velero", .object, "The server.", server),
              later("restic", .object, "Backups of files, by its old name.", agent),
              later("nodeAgent", .object, "Backups of files.", agent),
            ]),
          later(
            "features", .object, "Further parts.",
            [
              later(
                "dataMover", .object, "The data mover, which carries snapshots with VolSync.",
                dataMover)
            ]),
          later("unsupportedOverrides", .stringMap, "Other images."),
          later("podAnnotations", .stringMap, "Notes on pods."),
          later("backupImages", .boolean, "Whether images of containers are backed up."),
          later("podDnsPolicy", .string, "Of pods."),
          later("podDnsConfig", .object, "Of pods."),
          later("imagePullPolicy", .string, "Of pods."),
          later("logFormat", .string, "text or json."),
          later("nonAdmin", .object, "Backups by users."),
        ])
    ])

  private static let server: [Field] = [
    later("defaultPlugins", .strings, "Plugins that come with OADP: openshift, aws, csi."),
    later("customPlugins", .objects, "Others."),
    later("featureFlags", .strings, "Features that are switched on."),
    later("noDefaultBackupLocation", .boolean, "Whether there is no default location."),
    later("defaultVolumesToFSBackup", .boolean, "Whether volumes are backed up as files."),
    later("defaultSnapshotMoveData", .boolean, "Whether snapshots are carried to the store."),
    later("disableFsBackup", .boolean, "Whether no files are backed up."),
    later("disableInformerCache", .boolean, "Whether restores ask the cluster each time."),
    later(
      "itemOperationSyncFrequency", .duration, "How often work in the background is looked at."),
    later("defaultItemOperationTimeout", .duration, "How long it may take."),
    later("resourceTimeout", .duration, "How long other things may take."),
    later("itemBlockWorkerCount", .integer, "How many objects at the same time."),
    later("concurrentBackups", .integer, "How many backups at the same time."),
    later("client-burst", .integer, "Requests to the cluster in a short time."),
    later("client-qps", .integer, "Requests to the cluster in a second."),
    later("loadAffinity", .objects, "Which nodes work."),
    later("podConfig", .object, "Resources of the pod."),
    later("args", .object, "Options of the server."),
    later("restoreResourcesVersionPriority", .string, "Which versions come back."),
    later("logLevel", .string, "How much is told."),
  ]

  private static let agent: [Field] = [
    later("enable", .boolean, "Whether it runs."),
    later("uploaderType", .string, "restic or kopia."),
    later("timeout", .duration, "How long a volume may take; 1h."),
    later("supplementalGroups", .integers, "Groups of the agent."),
    later("podConfig", .object, "Resources of the pod."),
    later("loadConcurrency", .object, "How many volumes at the same time."),
    later("loadAffinity", .objects, "Which nodes work."),
    later("backupPVC", .object, "Volumes between, for backups."),
    later("restorePVC", .object, "Volumes between, for restores."),
    later("podResources", .object, "Resources of the pods that carry data."),
    later("cacheConfig", .object, "The cache of repositories."),
  ]

  private static let dataMover: [Field] = [
    later("enable", .boolean, "Whether it runs."),
    later("credentialName", .string, "The Secret with RESTIC_PASSWORD; dm-credential."),
    later("timeout", .duration, "How long a volume may take; 10m."),
    later("maxConcurrentBackupVolumes", .integer, "How many volumes at the same time; 10."),
    later("maxConcurrentRestoreVolumes", .integer, "How many volumes at the same time; 10."),
    later("pruneInterval", .integer, "Days between prunes."),
    later("schedule", .string, "When snapshots are carried, in five cron fields."),
    later(
      "snapshotRetainPolicy", .object, "Which snapshots are kept.",
      [
        later("hourly", .integer, "The last of so many hours."),
        later("daily", .integer, "The last of so many days."),
        later("weekly", .integer, "The last of so many weeks."),
        later("monthly", .integer, "The last of so many months."),
        later("yearly", .integer, "The last of so many years."),
        later("within", .string, "All of this time before the newest."),
      ]),
    later("volumeOptionsForStorageClasses", .object, "Options by the class of a volume."),
  ]

  static let volumeSnapshotBackup = kind(
    VolumeSnapshotBackup.self, "A snapshot that the data mover of OADP carries to the store.",
    [
      .required(
        "spec", .object, later, "What is asked for.",
        [
          neededLater(
            "volumeSnapshotContent", .object, "The snapshot.",
            [
              neededLater("name", .string, "Its name.")
            ]),
          neededLater("protectedNamespace", .string, "The namespace where OADP runs."),
          neededLater(
            "resticSecretRef", .object, "The Secret with RESTIC_PASSWORD.",
            [
              neededLater("name", .string, "Its name.")
            ]),
        ])
    ])

  static let volumeSnapshotRestore = kind(
    VolumeSnapshotRestore.self, "A volume that the data mover of OADP brings back from the store.",
    [
      .required(
        "spec", .object, later, "What is asked for.",
        [
          neededLater("protectedNamespace", .string, "The namespace where OADP runs."),
          neededLater(
            "resticSecretRef", .object, "The Secret with RESTIC_PASSWORD.",
            [
              neededLater("name", .string, "Its name.")
            ]),
          neededLater(
            "volumeSnapshotMoverBackupRef", .object, "What a VolumeSnapshotBackup has left.",
            [
              neededLater(
                "sourcePVCData", .object, "The claim that was carried.",
                [
                  neededLater("name", .string, "Its name."),
                  neededLater("size", .quantity, "Its size."),
                  later("storageClassName", .string, "Its class."),
                ]),
              neededLater("resticrepository", .string, "The repository."),
              later("volumeSnapshotClassName", .string, "The class of the snapshot."),
            ]),
        ])
    ])

  // MARK: ACM

  static let hubBackupSchedule = kind(
    HubBackupSchedule.self, "Backups of an ACM hub, by the clock.",
    [
      .required(
        "spec", .object, later, "What is asked for.",
        [
          neededLater("veleroSchedule", .string, "Five cron fields, or a nickname such as @daily."),
          later("veleroTtl", .duration, "How long backups are kept; 720h."),
          later(
            "useManagedServiceAccount", .boolean,
            "Whether imported clusters get accounts by which they come back."),
          later(
            "managedServiceAccountTTL", .duration, "How long those accounts live; 2 × veleroTtl."),
          later("paused", .boolean, "Whether no backup is made."),
          later("noBackupOnStart", .boolean, "Whether the first backup waits for the schedule."),
          later("skipImmediately", .boolean, "Whether one that is due at once is passed over."),
          later("useOwnerReferencesInBackup", .boolean, "Whether backups go with the schedule."),
          later("volumeSnapshotLocations", .strings, "Where snapshots of volumes rest."),
        ])
    ])

  static let hubRestore = kind(
    HubRestore.self, "A restore of an ACM hub, once, or of each newer backup.",
    [
      .required(
        "spec", .object, later, "What is asked for.",
        [
          neededLater(
            "cleanupBeforeRestore", .word(HubRestore.Cleanup.allCases.map(\.rawValue)),
            "What is removed: nothing, what an earlier restore has made, or all in its scope."),
          neededLater(
            "veleroManagedClustersBackupName", .string,
            "latest, skip, or a backup of managed clusters; latest makes this hub the active one."),
          neededLater(
            "veleroCredentialsBackupName", .string,
            "latest, skip, or a backup of credentials."),
          neededLater(
            "veleroResourcesBackupName", .string, "latest, skip, or a backup of resources."),
          later(
            "syncRestoreWithNewBackups", .boolean,
            "Whether newer backups are restored as they come; needs latest above."),
          later("restoreSyncInterval", .duration, "How often newer backups are looked for; 30m."),
          later("restoreLabelSelector", .object, "Only what has all of these labels.", selector),
          later("restoreOrLabelSelectors", .objects, "What any of these takes.", selector),
        ] + resources + restoreRest)
    ])
}
