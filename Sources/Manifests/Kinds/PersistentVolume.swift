/// A volume of this host under a name of the cluster.
package struct PersistentVolume: Manifest {
  package static let kind = "PersistentVolume"
  package static let aliases = ["persistentvolumes", "pv"]
  package static let apiVersion = "v1"
  package static var isNamespaced: Bool { false }

  /// Where the volume rests.
  package enum Location: Sendable {
    case hostPath(path: Marked<String>, type: HostPathType)
    case local(path: Marked<String>)
    /// A source that only a cluster can mount, by the name of its field.
    case other(Marked<String>)
  }

  package enum HostPathType: String, Sendable, CaseIterable {
    case unspecified = ""
    case directoryOrCreate = "DirectoryOrCreate"
    case directory = "Directory"
    case fileOrCreate = "FileOrCreate"
    case file = "File"
    case socket = "Socket"
    case characterDevice = "CharDevice"
    case blockDevice = "BlockDevice"
  }

  package let metadata: ObjectMetadata
  package let location: Location?
  package let capacity: Quantity?
  package let volumeMode: VolumeMode
  package let accessModes: [AccessMode]
  package let storageClassName: String?
  /// The claim this volume is reserved for.
  package let claim: ObjectKey?

  static let clusterSources = [
    "awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", "fc", "flexVolume",
    "flocker", "gcePersistentDisk", "glusterfs", "iscsi", "nfs", "photonPersistentDisk",
    "portworxVolume", "quobyte", "rbd", "scaleIO", "storageos", "vsphereVolume",
  ]

  package init(metadata: ObjectMetadata, fields: FieldReader) {
    self.metadata = metadata
    let spec = fields.requiredObject("spec")
    if let sizes = spec.object("capacity") {
      capacity = sizes.quantity("storage")
      sizes.finish()
    } else {
      capacity = nil
    }
    volumeMode = spec.choice("volumeMode") ?? .filesystem
    accessModes = spec.accessModes("accessModes")
    storageClassName = spec.string("storageClassName")
    claim = PersistentVolume.decodeClaim(spec)
    location = PersistentVolume.decodeLocation(spec)
    _ = spec.choice("persistentVolumeReclaimPolicy", ReclaimPolicy.self)
    spec.ignore("mountOptions", "nodeAffinity", "volumeAttributesClassName")
    spec.finish()
  }

  private static func decodeClaim(_ spec: FieldReader) -> ObjectKey? {
    guard let fields = spec.object("claimRef") else { return nil }
    fields.ignore("apiVersion", "kind", "uid", "resourceVersion", "fieldPath")
    let name = fields.requiredString("name") ?? ""
    let namespace = fields.string("namespace") ?? "default"
    fields.finish()
    return ObjectKey(kind: PersistentVolumeClaim.kind, namespace: namespace, name: name)
  }

  private static func decodeLocation(_ spec: FieldReader) -> Location? {
    var locations: [Location] = []
    if let fields = spec.object("hostPath") {
      let type: HostPathType? = fields.choice("type")
      if let path = absolutePath(fields) {
        locations.append(.hostPath(path: path, type: type ?? .unspecified))
      }
      fields.finish()
    }
    if let fields = spec.object("local") {
      if let path = absolutePath(fields) { locations.append(.local(path: path)) }
      _ = fields.string("fsType")
      fields.finish()
    }
    for name in clusterSources {
      if let node = spec.value(name) { locations.append(.other(Marked(name, node.mark))) }
    }
    let isGiven = spec.has("hostPath") || spec.has("local")
    if locations.count > 1 {
      spec.report(spec.node.mark, spec.path, "names more than one place of the volume")
    } else if locations.isEmpty, !isGiven {
      spec.report(
        spec.node.mark, spec.path, "names no place of the volume: add hostPath.path or local.path")
    }
    return locations.first
  }

  private static func absolutePath(_ fields: FieldReader) -> Marked<String>? {
    guard fields.has("path") else {
      fields.report("path", "is required")
      return nil
    }
    guard let path = fields.marked("path") else { return nil }
    if !path.value.hasPrefix("/") {
      fields.report("path", "\"\(path.value)\" is not an absolute path")
    } else if path.value.split(separator: "/").contains("..") {
      fields.report("path", "\"\(path.value)\" must not contain \"..\"")
    }
    return path
  }
}

package enum ReclaimPolicy: String, Sendable, CaseIterable {
  case retain = "Retain"
  case delete = "Delete"
  case recycle = "Recycle"
}

/// The name by which a namespace asks for a volume.
package struct PersistentVolumeClaim: Manifest {
  package static let kind = "PersistentVolumeClaim"
  package static let aliases = ["persistentvolumeclaims", "pvc"]
  package static let apiVersion = "v1"

  /// What a claim is filled from.
  package struct DataSource: Sendable {
    package var apiGroup: String
    package var kind: String
    package var name: String
    package var namespace: String?
  }

  package let metadata: ObjectMetadata
  package let volumeName: Marked<String>?
  package let volumeMode: VolumeMode
  package let accessModes: [AccessMode]
  package let storageClassName: String?
  package let requestedSize: Quantity?
  package let dataSource: DataSource?

  package init(metadata: ObjectMetadata, fields: FieldReader) {
    self.metadata = metadata
    let spec = fields.requiredObject("spec")
    volumeName = spec.marked("volumeName")
    volumeMode = spec.choice("volumeMode") ?? .filesystem
    accessModes = spec.accessModes("accessModes")
    storageClassName = spec.string("storageClassName")
    requestedSize = PersistentVolumeClaim.decodeSize(spec)
    let fromReference = PersistentVolumeClaim.decodeDataSource(spec, "dataSourceRef")
    let fromSource = PersistentVolumeClaim.decodeDataSource(spec, "dataSource")
    dataSource = fromReference ?? fromSource
    spec.ignore("selector", "volumeAttributesClassName")
    spec.finish()
  }

  private static func decodeSize(_ spec: FieldReader) -> Quantity? {
    guard let resources = spec.object("resources") else { return nil }
    defer { resources.finish() }
    if let limits = resources.object("limits") {
      _ = limits.quantity("storage")
      limits.finish()
    }
    guard let requests = resources.object("requests") else { return nil }
    defer { requests.finish() }
    return requests.quantity("storage")
  }

  private static func decodeDataSource(_ spec: FieldReader, _ name: String) -> DataSource? {
    guard let fields = spec.object(name) else { return nil }
    defer { fields.finish() }
    return DataSource(
      apiGroup: fields.string("apiGroup") ?? "", kind: fields.requiredString("kind") ?? "",
      name: fields.requiredString("name") ?? "", namespace: fields.string("namespace"))
  }
}
