/// What names an object: its kind, its namespace (nil for kinds of the whole cluster) and its name.
package struct ObjectKey: Sendable, Hashable, CustomStringConvertible {
  package var kind: String
  package var namespace: String?
  package var name: String

  package init(kind: String, namespace: String?, name: String) {
    self.kind = kind
    self.namespace = namespace
    self.name = name
  }

  /// `Kind namespace/name`.
  package var description: String {
    namespace.map { "\(kind) \($0)/\(name)" } ?? "\(kind) \(name)"
  }
}

/// The metadata of an object that means something here.
package struct ObjectMetadata: Sendable {
  package var name: String
  /// `default` when a namespaced object names none; nil for kinds of the whole cluster.
  package var namespace: String?
  package var labels: [String: String] = [:]
  package var annotations: [String: Marked<String>] = [:]

  package init(name: String, namespace: String?) {
    self.name = name
    self.namespace = namespace
  }
}

/// One decoded object of a known kind.
package protocol Manifest: Sendable {
  static var kind: String { get }
  static var apiVersion: String { get }
  /// Whether objects of this kind live in a namespace.
  static var isNamespaced: Bool { get }
  var metadata: ObjectMetadata { get }

  /// Decodes everything but `apiVersion`, `kind`, `metadata` and `status`, and reports what is
  /// wrong to the reader; the result is used only when nothing was reported.
  init(metadata: ObjectMetadata, fields: FieldReader)
}

extension Manifest {
  package static var isNamespaced: Bool { true }

  package var key: ObjectKey {
    ObjectKey(kind: Self.kind, namespace: metadata.namespace, name: metadata.name)
  }
}

/// The kinds that can be read. Others join by ``register(_:)``.
package struct KindRegistry: Sendable {
  private var kinds: [String: any Manifest.Type] = [:]

  package init() {}

  /// Every kind of this target.
  package static var standard: KindRegistry {
    var registry = KindRegistry()
    registry.register(ReplicationSource.self)
    registry.register(ReplicationDestination.self)
    registry.register(Secret.self)
    registry.register(ConfigMap.self)
    registry.register(PersistentVolume.self)
    registry.register(PersistentVolumeClaim.self)
    registry.register(Namespace.self)
    registry.register(StorageClass.self)
    registry.register(VolumeSnapshotClass.self)
    return registry
  }

  /// Adds a kind; a kind is registered once, under one version.
  package mutating func register(_ type: any Manifest.Type) {
    precondition(kinds[type.kind] == nil, "the kind \(type.kind) is registered twice")
    kinds[type.kind] = type
  }

  package subscript(kind: String) -> (any Manifest.Type)? { kinds[kind] }

  package var kindNames: [String] { kinds.keys.sorted() }
}
