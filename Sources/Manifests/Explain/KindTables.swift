/// What each kind and each of its fields is, and what Drover does with it: the one table behind
/// `drover explain`.
package enum KindTables {
  package static let all: [KindDocumentation] = [
    replicationSource, replicationDestination, secret, configMap, persistentVolume,
    persistentVolumeClaim, namespace, storageClass, volumeSnapshotClass, volumeSnapshot, backup,
    restore, schedule, backupStorageLocation, volumeSnapshotLocation, dataProtectionApplication,
    volumeSnapshotBackup, volumeSnapshotRestore, hubBackupSchedule, hubRestore,
  ]

  package static func documentation(of type: any Manifest.Type) -> KindDocumentation? {
    all.first { $0.type.uniqueKind == type.uniqueKind }
  }

  typealias Field = FieldDocumentation

  /// A kind with the fields that every object has around `fields`.
  static func kind(
    _ type: any Manifest.Type, _ text: String, status: [Field]? = nil, _ fields: [Field]
  ) -> KindDocumentation {
    let common: [Field] = [
      .required("apiVersion", .word([type.apiVersion]), "The group and version of the kind."),
      .required("kind", .word([type.kind]), "The name of the kind."),
      .required("metadata", .object, "What every object has.", metadata(of: type)),
    ]
    let status = Field(
      "status", .object,
      status == nil
        ? .withoutEffect("kept, when a file has it") : .improved("see the fields below"),
      "What has become of the object. Drover writes it; what a file says here is where a run "
        + "begins.", status ?? [])
    return KindDocumentation(type: type, text: text, fields: common + fields + [status])
  }

  private static func metadata(of type: any Manifest.Type) -> [Field] {
    var fields: [Field] = [
      .required(
        "name", .string,
        "The name, of lower-case letters, digits, - and dots; one object of a kind "
          + "and namespace has it."),
      Field(
        "namespace", .string,
        type.isNamespaced ? .honoured : .withoutEffect("of the whole cluster"),
        "The namespace, a scope of names; default when it is left out."),
      Field("labels", .stringMap, "Words to select objects by (`drover get -l`)."),
      Field(
        "annotations", .stringMap,
        .improved(
          "those of the prefix \(Annotation.prefix) say what a host needs besides; an unknown one "
            + "of that prefix is refused"),
        annotationText(of: type)),
      Field(
        "creationTimestamp", .time, .honoured,
        "When the object was made; a first prune of a repository counts from it."),
    ]
    let kept = "What a cluster keeps about the object."
    for (name, type) in keptByCluster { fields.append(Field(name, type, .withoutEffect(), kept)) }
    return fields
  }

  private static let keptByCluster: [(String, FieldType)] = [
    ("uid", .string), ("resourceVersion", .string), ("generation", .integer),
    ("generateName", .string), ("deletionTimestamp", .time),
    ("deletionGracePeriodSeconds", .integer), ("ownerReferences", .objects),
    ("finalizers", .strings), ("managedFields", .objects), ("selfLink", .string),
  ]
}
