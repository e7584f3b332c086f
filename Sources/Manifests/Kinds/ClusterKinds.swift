import Platform

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
  package static let ownProvisioner = "drover/directory"

  package let provisioner: String
  package let parameters: [String: Marked<String>]
  /// Where volumes of this class are made; nil for the directory of Drover's own, and for classes
  /// that another provisioner serves.
  package let root: String?

  package init(metadata: ObjectMetadata, fields: FieldReader) {
    self.metadata = metadata
    provisioner = fields.requiredString("provisioner") ?? ""
    parameters = fields.stringMap("parameters")
    root = StorageClass.decodeRoot(provisioner, parameters, fields)
    _ = fields.choice("reclaimPolicy", ReclaimPolicy.self)
    _ = fields.string("volumeBindingMode")
    _ = fields.bool("allowVolumeExpansion")
    fields.ignore("mountOptions", "allowedTopologies")
  }

  package static let defaultAnnotation = "storageclass.kubernetes.io/is-default-class"

  /// Whether it is the class of claims that name none (Kubernetes, "Default StorageClass").
  package var isDefault: Bool {
    metadata.annotations[StorageClass.defaultAnnotation]?.value == "true"
  }

  private static func decodeRoot(
    _ provisioner: String, _ parameters: [String: Marked<String>], _ fields: FieldReader
  ) -> String? {
    guard provisioner == ownProvisioner else { return nil }
    for (name, value) in parameters.sorted(by: { $0.key < $1.key }) where name != "root" {
      fields.report(
        value.mark, fields.pathOf("parameters.\(name)"), "unknown parameter",
        suggestion: nearest(to: name, in: ["root"]))
    }
    guard let root = parameters["root"] else { return nil }
    if let problem = problemInPath(root.value) {
      fields.report(root.mark, fields.pathOf("parameters.root"), problem)
    }
    return root.value
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
  /// How copies are made; nil for classes that another driver serves.
  package let copies: CopyParameters?

  package init(metadata: ObjectMetadata, fields: FieldReader) {
    self.metadata = metadata
    driver = fields.requiredString("driver") ?? ""
    if !fields.has("deletionPolicy") { fields.report("deletionPolicy", "is required") }
    deletionPolicy = fields.choice("deletionPolicy")
    parameters = fields.stringMap("parameters")
    copies = driver == CopyParameters.driver ? CopyParameters(parameters, fields) : nil
  }

  package static let defaultAnnotation = "snapshot.storage.kubernetes.io/is-default-class"

  /// Whether it is the class of copies that name none.
  package var isDefault: Bool {
    metadata.annotations[VolumeSnapshotClass.defaultAnnotation]?.value == "true"
  }
}
