/// A namespace; its annotations say whether movers run with privilege.
package struct Namespace: Manifest {
  package static let kind = "Namespace"
  package static let aliases = ["namespaces", "ns"]
  package static let apiVersion = "v1"
  package static var isNamespaced: Bool { false }

  package let metadata: ObjectMetadata

  package init(metadata: ObjectMetadata, fields: FieldReader) {
    self.metadata = metadata
    if let spec = fields.object("spec") {
      spec.ignore("finalizers")
      spec.finish()
    }
  }
}

/// How volumes are provisioned.
package struct StorageClass: Manifest {
  package static let kind = "StorageClass"
  package static let aliases = ["storageclasses", "sc"]
  package static let apiVersion = "storage.k8s.io/v1"
  package static var isNamespaced: Bool { false }

  package let metadata: ObjectMetadata
  package let provisioner: String
  package let parameters: [String: Marked<String>]

  package init(metadata: ObjectMetadata, fields: FieldReader) {
    self.metadata = metadata
    provisioner = fields.requiredString("provisioner") ?? ""
    parameters = fields.stringMap("parameters")
    _ = fields.choice("reclaimPolicy", ReclaimPolicy.self)
    _ = fields.string("volumeBindingMode")
    _ = fields.bool("allowVolumeExpansion")
    fields.ignore("mountOptions", "allowedTopologies")
  }
}

/// How point-in-time copies are made.
package struct VolumeSnapshotClass: Manifest {
  package static let kind = "VolumeSnapshotClass"
  package static let aliases = ["volumesnapshotclasses", "vsclass"]
  package static let apiVersion = "snapshot.storage.k8s.io/v1"
  package static var isNamespaced: Bool { false }

  package enum DeletionPolicy: String, Sendable, CaseIterable {
    case delete = "Delete"
    case retain = "Retain"
  }

  package let metadata: ObjectMetadata
  package let driver: String
  package let deletionPolicy: DeletionPolicy?
  package let parameters: [String: Marked<String>]

  package init(metadata: ObjectMetadata, fields: FieldReader) {
    self.metadata = metadata
    driver = fields.requiredString("driver") ?? ""
    if !fields.has("deletionPolicy") { fields.report("deletionPolicy", "is required") }
    deletionPolicy = fields.choice("deletionPolicy")
    parameters = fields.stringMap("parameters")
  }
}
