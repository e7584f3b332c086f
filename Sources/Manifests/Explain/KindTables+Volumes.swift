extension KindTables {
  private static let modes = AccessMode.allCases.map(\.rawValue)

  static let secret = kind(
    Secret.self, "Named bytes that are shown nowhere: keys, passwords, credentials.",
    [
      Field("data", .stringMap, "Values in base64."),
      Field("stringData", .stringMap, "Values as they are; they win over data."),
      Field("type", .string, .withoutEffect(), "What the values are for."),
      Field("immutable", .boolean, .withoutEffect(), "Whether a cluster lets it be changed."),
    ])

  static let configMap = kind(
    ConfigMap.self, "Named texts that are no secret, such as certificates.",
    [
      Field("data", .stringMap, "Texts."),
      Field("binaryData", .stringMap, "Bytes in base64."),
      Field("immutable", .boolean, .withoutEffect(), "Whether a cluster lets it be changed."),
    ])

  static let namespace = kind(
    Namespace.self, "A scope of names. Objects may name one that has no object.",
    [
      Field(
        "spec", .object, .withoutEffect(), "What a cluster keeps.",
        [
          Field("finalizers", .strings, .withoutEffect(), "What a cluster keeps.")
        ])
    ])

  static let persistentVolume = kind(
    PersistentVolume.self,
    "A volume of this host under a name: a directory, a block device or a raw "
      + "image.",
    [
      .required(
        "spec", .object, "What is asked for.",
        [
          Field(
            "capacity", .object, .withoutEffect("the file system says how much there is"),
            "The size.",
            [
              Field("storage", .quantity, .withoutEffect(), "The size, such as 10Gi.")
            ]),
          Field(
            "volumeMode", .word(VolumeMode.allCases.map(\.rawValue)),
            "Filesystem for a directory, Block for a device or an image."),
          Field("accessModes", .words(modes), .withoutEffect(), "Who may mount it in a cluster."),
          Field("storageClassName", .string, .withoutEffect(), "The class of the volume."),
          Field(
            "claimRef", .object, "The claim that the volume is reserved for.",
            [
              .required("name", .string, "Its name."),
              Field("namespace", .string, "Its namespace."),
              Field("apiVersion", .string, .withoutEffect(), "What a cluster keeps."),
              Field("kind", .string, .withoutEffect(), "What a cluster keeps."),
              Field("uid", .string, .withoutEffect(), "What a cluster keeps."),
              Field("resourceVersion", .string, .withoutEffect(), "What a cluster keeps."),
              Field("fieldPath", .string, .withoutEffect(), "What a cluster keeps."),
            ]),
          Field(
            "hostPath", .object, "A path of this host.",
            [
              .required("path", .string, "The absolute path."),
              Field(
                "type", .word(PersistentVolume.HostPathType.allCases.map(\.rawValue)),
                .improved("DirectoryOrCreate makes the last directory only"),
                "What must be there."),
            ]),
          Field(
            "local", .object, "A path of this host.",
            [
              .required("path", .string, "The absolute path."),
              Field("fsType", .string, .withoutEffect(), "How a cluster would format it."),
            ]),
          Field(
            "persistentVolumeReclaimPolicy", .word(ReclaimPolicy.allCases.map(\.rawValue)),
            .withoutEffect("Drover removes no volume that it has not made"),
            "What becomes of the volume without its claim."),
          Field("mountOptions", .strings, .withoutEffect(), "How a cluster mounts it."),
          Field("nodeAffinity", .object, .withoutEffect(), "Which nodes reach it."),
          Field("volumeAttributesClassName", .string, .withoutEffect(), "What a cluster keeps."),
        ]
          + PersistentVolume.clusterSources.map {
            Field(
              $0, .object,
              .refused(
                "only a cluster can mount it: mount it on the host, and name "
                  + "hostPath.path"), "A volume of a cluster.")
          })
    ])

  static let persistentVolumeClaim = kind(
    PersistentVolumeClaim.self, "The name by which a namespace asks for a volume.",
    [
      .required(
        "spec", .object, "What is asked for.",
        [
          Field(
            "volumeName", .string,
            "The PersistentVolume; without it, the one whose claimRef names "
              + "this claim."),
          Field(
            "volumeMode", .word(VolumeMode.allCases.map(\.rawValue)),
            "As that of the volume."),
          Field("accessModes", .words(modes), .withoutEffect(), "Who may mount it in a cluster."),
          Field(
            "storageClassName", .string,
            .improved("a class that is not there means Drover's own directory"),
            "The class of a volume that is made."),
          Field(
            "resources", .object, "How much is asked for.",
            [
              Field(
                "requests", .object, "At least.",
                [
                  Field(
                    "storage", .quantity,
                    .improved("of a block volume the size; of another the room that must be free"),
                    "The size of a volume that is made.")
                ]),
              Field(
                "limits", .object, .withoutEffect(), "At most.",
                [
                  Field("storage", .quantity, .withoutEffect(), "The size.")
                ]),
            ]),
          Field(
            "dataSourceRef", .object,
            .improved("filled once, in one step; never written over"),
            "The ReplicationDestination whose latestImage fills the volume that is made.",
            dataSource),
          Field("dataSource", .object, "The old form of dataSourceRef.", dataSource),
          Field("selector", .object, .withoutEffect("name the volume"), "Which volumes will do."),
          Field("volumeAttributesClassName", .string, .withoutEffect(), "What a cluster keeps."),
        ])
    ])

  private static let dataSource: [Field] = [
    Field("apiGroup", .string, "volsync.backube."),
    .required("kind", .string, "ReplicationDestination."),
    .required("name", .string, "Its name."),
    Field("namespace", .string, "Its namespace: that of the claim."),
  ]

  static let storageClass = kind(
    StorageClass.self, "How volumes are made.",
    [
      .required(
        "provisioner", .string,
        "drover/directory; a class of another provisioner is accepted, and its volumes are made as "
          + "those without a class."),
      Field(
        "parameters", .stringMap,
        "Of drover/directory: root, the directory below which volumes are made; without it, one of "
          + "Drover's own."),
      Field(
        "reclaimPolicy", .word(ReclaimPolicy.allCases.map(\.rawValue)),
        .withoutEffect("Drover removes a volume with cleanupTempPVC only"),
        "What becomes of a volume without its claim."),
      Field("volumeBindingMode", .string, .withoutEffect(), "When a cluster makes the volume."),
      Field("allowVolumeExpansion", .boolean, .withoutEffect(), "Whether volumes may grow."),
      Field("mountOptions", .strings, .withoutEffect(), "How a cluster mounts them."),
      Field("allowedTopologies", .objects, .withoutEffect(), "Which nodes reach them."),
    ])

  static let volumeSnapshotClass = kind(
    VolumeSnapshotClass.self, "How point-in-time copies and images are made.",
    [
      .required(
        "driver", .string,
        "drover/directory; a class of another driver is accepted, and copies are made as those "
          + "without a class."),
      .required(
        "deletionPolicy",
        .word(
          VolumeSnapshotClass.DeletionPolicy.allCases.map(\.rawValue)),
        .withoutEffect("an image goes by the annotation image-retain"),
        "What becomes of a copy whose object is removed."),
      Field(
        "parameters", .stringMap,
        "Of drover/directory: method (btrfs, reflink, copy, command; without it, the best that the "
          + "file system offers), root (where copies stand), create and delete (the commands of "
          + "the method command), consistency (what is known of its copies)."),
    ])

  static let volumeSnapshot = kind(
    VolumeSnapshot.self,
    "A replica image. The daemon makes the object; the label volsync.backube/do-not-delete on it "
      + "keeps the image for good.",
    [
      .required(
        "spec", .object, "What it is.",
        [
          .required(
            "source", .object, .withoutEffect(), "What it was made of.",
            [
              Field(
                "persistentVolumeClaimName", .string, .withoutEffect(), "The claim."),
              Field(
                "volumeSnapshotContentName", .string, .withoutEffect(), "What a cluster keeps."),
            ]),
          Field("volumeSnapshotClassName", .string, .withoutEffect(), "How it was made."),
        ])
    ])
}
