extension KindTables {
  static func rsyncTLS(of role: Role) -> [Field] {
    var fields: [Field] = [
      Field(
        "keySecret", .string,
        .improved(
          "checked before anything starts; several keys in it allow a change without a gap"),
        "The Secret with psk.txt, a line <identity>:<hex>. Without it one is made, and named in "
          + "status.")
    ]
    switch role {
    case .source:
      fields += [
        Field(
          "address", .string,
          .improved(
            "without it, the destination of the same files is the peer"),
          "The destination's host."),
        Field("port", .integer, "The destination's port; 8000."),
      ]
    case .destination:
      fields += [
        Field(
          "serviceType", .word(ServiceType.allCases.map(\.rawValue)),
          .withoutEffect(
            "a host listens where the annotation listen says"), "How a cluster reaches the mover."),
        Field("serviceAnnotations", .stringMap, .withoutEffect(), "Notes on the Service."),
      ]
    }
    return fields + volume(of: role, hasVolumeMode: true) + mover()
  }

  static func rsync(of role: Role) -> [Field] {
    var fields: [Field] = [
      Field("sshKeys", .string, .notServed(), "The Secret with the keys of both sides."),
      Field("address", .string, .notServed(), "The destination's host."),
      Field("port", .integer, .notServed(), "The destination's port; 22."),
      Field(
        "serviceType", .word(ServiceType.allCases.map(\.rawValue)), .withoutEffect(),
        "How a cluster reaches the mover."),
      Field("path", .string, .withoutEffect("VolSync ignores it, too"), "Not used."),
      Field("sshUser", .string, .notServed(), "The user at the destination; root."),
    ]
    if role == .destination {
      fields.append(
        Field("serviceAnnotations", .stringMap, .withoutEffect(), "Notes on the Service."))
    }
    return fields + volume(of: role, hasVolumeMode: true) + mover(isReduced: true)
  }

  static func restic(of role: Role) -> [Field] {
    let cache = "the cache holds indexes only, in the directory that `drover repo` uses"
    var fields: [Field] = [
      .required(
        "repository", .string,
        .improved(
          "what is missing in it is named before anything starts"),
        "The Secret with RESTIC_REPOSITORY, RESTIC_PASSWORD and the credentials of the store."),
      customCA,
      Field("cacheCapacity", .quantity, .withoutEffect(cache), "The size of the cache volume."),
      Field("cacheStorageClassName", .string, .withoutEffect(cache), "The class of that volume."),
      Field("cacheAccessModes", .words(modes), .withoutEffect(cache), "Its access modes."),
    ]
    fields += role == .source ? resticSource : resticDestination
    return fields + volume(of: role, hasVolumeMode: false) + mover()
  }

  private static let resticSource: [Field] = [
    Field(
      "pruneIntervalDays", .integer,
      .improved(
        "a prune that fails does not fail the backup; 0 prunes every time"),
      "Days between prunes; 7."),
    Field(
      "unlock", .string, "Another value than status.restic.lastUnlocked removes stale locks once."),
    Field(
      "retain", .object, .improved("nothing older is forgotten after an incomplete backup"),
      "Which snapshots are kept; none or an empty one keeps the last alone.",
      [
        Field("hourly", .integer, "The last of so many hours."),
        Field("daily", .integer, "The last of so many days."),
        Field("weekly", .integer, "The last of so many weeks."),
        Field("monthly", .integer, "The last of so many months."),
        Field("yearly", .integer, "The last of so many years."),
        Field("within", .string, "All of this time before the newest, such as 3d or 1y5m7d2h."),
        Field("last", .string, "The last so many, a number in quotes."),
      ]),
    Field(
      "exclude", .object, "What is left out.",
      [
        Field("caches", .boolean, "Directories with a CACHEDIR.TAG.")
      ]),
  ]

  private static let resticDestination: [Field] = [
    Field("previous", .integer, "How many newer snapshots are passed over; 0."),
    Field("restoreAsOf", .time, "The newest snapshot that is not later than this is restored."),
    Field("enableFileDeletion", .boolean, "Whether files that the snapshot lacks are removed."),
    Field(
      "cleanupCachePVC", .boolean, .withoutEffect("there is no cache volume"),
      "Whether the cache volume is removed after a run."),
  ]

  static func rclone(of role: Role) -> [Field] {
    [
      .required(
        "rcloneConfig", .string,
        .improved(
          "remotes of types that are not served, and variables without a meaning, are named before "
            + "anything starts"),
        "The Secret with rclone.conf, and RCLONE_ variables."),
      .required("rcloneConfigSection", .string, "The remote, a section of rclone.conf."),
      .required("rcloneDestPath", .string, "The bucket, and a path in it."),
      customCA,
    ] + volume(of: role, hasVolumeMode: false) + mover()
  }

  static let syncthing: [Field] =
    [
      Field(
        "peers", .objects, .notServed(), "The other devices.",
        [
          .required("address", .string, .notServed(), "Where it is."),
          .required("ID", .string, .notServed(), "Its device ID."),
          Field("introducer", .boolean, .notServed(), "Whether it names further devices."),
        ]),
      Field(
        "serviceType", .word(ServiceType.allCases.map(\.rawValue)), .withoutEffect(),
        "How a cluster reaches the mover."),
      Field("configCapacity", .quantity, .notServed(), "The size of the configuration volume."),
      Field("configStorageClassName", .string, .notServed(), "The class of that volume."),
      Field("configAccessModes", .words(modes), .notServed(), "Its access modes."),
    ] + mover()

  private static let customCA = Field(
    "customCA", .object, .improved("what it names must be there before anything starts"),
    "Certificates to trust besides those of the system.",
    [
      Field("secretName", .string, "The Secret that has them; it wins over configMapName."),
      Field("configMapName", .string, "The ConfigMap that has them."),
      Field("key", .string, "The key in it; without it nothing is added."),
    ])

  private static let modes = AccessMode.allCases.map(\.rawValue)

  static func volume(of role: Role, hasVolumeMode: Bool) -> [Field] {
    var fields: [Field] = [
      .required(
        "copyMethod",
        .word(CopyMethod.allCases.filter { role == .source || $0 != .clone }.map(\.rawValue)),
        .improved(
          role == .source
            ? "status says how the copy was made, and how far it is of one moment"
            : "an image is complete before it is named; how many are kept says image-retain"),
        role == .source
          ? "Whether the volume itself is read (Direct, None) or a copy (Clone, Snapshot)."
          : "Whether an image is kept after each run (Snapshot), or not (Direct, None)."),
      Field(
        "capacity", .quantity,
        role == .source
          ? .improved("a volume that holds more is not copied")
          : .improved("of a block volume the size; of another the room that must be free"),
        role == .source
          ? "The size of the copy." : "The size of a volume that is made; or name a destinationPVC."
      ),
      Field(
        "storageClassName", .string,
        role == .source
          ? .withoutEffect("a copy stands beside its volume, or where volumeSnapshotClassName says")
          : .improved("a class that is not there means Drover's own directory"),
        "The class of the volume that is made."),
      Field(
        "accessModes", .words(modes), .withoutEffect(),
        "The access modes of the volume that is made."
      ),
      Field(
        "volumeSnapshotClassName", .string,
        .improved("for Clone, too; a class that is not there means the best method"),
        "How copies and images are made."),
    ]
    guard role == .destination else { return fields }
    fields += [
      Field(
        "destinationPVC", .string, .improved("an absolute path of this host is accepted, too"),
        "The claim of the volume to fill."),
      Field(
        "cleanupTempPVC", .boolean, .improved("with copyMethod Snapshot only: the image stays"),
        "Whether a volume that was made is removed after a run."),
    ]
    if hasVolumeMode {
      fields.append(
        Field(
          "volumeMode", .word(VolumeMode.allCases.map(\.rawValue)),
          "Files, or a block device or raw image."))
    }
    return fields
  }

  static func mover(isReduced: Bool = false) -> [Field] {
    let pods = Treatment.withoutEffect("there are no pods on a host")
    let kept: [(String, FieldType)] = [
      ("fsGroupChangePolicy", .string), ("supplementalGroupsPolicy", .string),
      ("seLinuxOptions", .object), ("seLinuxChangePolicy", .string), ("seccompProfile", .object),
      ("appArmorProfile", .object), ("sysctls", .objects), ("windowsOptions", .object),
    ]
    var fields: [Field] = [
      Field("moverServiceAccount", .string, pods, "The account of the mover's pod."),
      Field("moverPodLabels", .stringMap, pods, "Labels of the mover's pod."),
      Field("moverResources", .object, pods, "What the mover's pod may use."),
    ]
    if isReduced { return fields }
    fields += [
      Field(
        "moverSecurityContext", .object,
        .improved(
          "a mover runs as the user of Drover without it, and so in a namespace with the "
            + "annotation \(Namespace.privilegedMovers)"),
        "The user and groups of the mover.",
        [
          Field("runAsUser", .integer, "The user; only root's Drover can take another."),
          Field(
            "runAsGroup", .integer,
            .improved("without it the user's own group, or that of the user's number"),
            "The group."),
          Field(
            "fsGroup", .integer,
            "A further group, which may write to volumes that are made for the mover."),
          Field("supplementalGroups", .integers, "Further groups."),
          Field("runAsNonRoot", .boolean, "Refuses the user 0."),
        ] + kept.map { Field($0, $1, .withoutEffect(), "What a cluster keeps.") }),
      Field("moverAffinity", .object, pods, "Where the mover's pod runs."),
      Field(
        "moverVolumes", .objects,
        .improved(
          "with restic: a repository below /mnt/<mountPath> is looked for in the claim's volume"
        ),
        "Further volumes, such as that of a local repository.",
        [
          .required("mountPath", .string, "A name below /mnt."),
          .required(
            "volumeSource", .object, "What is mounted.",
            [
              Field(
                "secret", .object, .withoutEffect("it must be there"), "A Secret.",
                [
                  Field("secretName", .string, "Its name."),
                  Field("items", .objects, .withoutEffect(), "Which keys."),
                  Field("defaultMode", .integer, .withoutEffect(), "The mode of its files."),
                  Field("optional", .boolean, .withoutEffect(), "Whether it may be missing."),
                ]),
              Field(
                "persistentVolumeClaim", .object, "A claim of the same namespace.",
                [
                  Field("claimName", .string, "Its name."),
                  Field("readOnly", .boolean, .withoutEffect(), "Whether it is only read."),
                ]),
              Field(
                "nfs", .object, .withoutEffect("mount it on the host, and name a path"),
                "An NFS export."),
            ]),
        ]),
    ]
    return fields
  }
}
