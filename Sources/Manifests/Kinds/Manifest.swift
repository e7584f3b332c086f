/// What names an object: its kind, its namespace (nil for kinds of the whole cluster) and its name.
package struct ObjectKey: Sendable, Hashable, CustomStringConvertible {
  /// The ``Manifest/uniqueKind``: the kind, or `Kind.group` where two groups share its name.
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

/// What Drover does for a kind.
package enum KindService: Sendable, Equatable {
  /// A run acts on its objects, or reads them.
  case served
  /// Objects are decoded, checked, kept and explained; nothing is done for them yet.
  case notServed
}

/// One decoded object of a known kind.
package protocol Manifest: Sendable {
  static var kind: String { get }
  static var apiVersion: String { get }
  /// Whether objects of this kind live in a namespace.
  static var isNamespaced: Bool { get }
  /// The name that tells this kind from all others in an ``ObjectKey``: the kind itself, or
  /// `Kind.group` where two groups have a kind of that name.
  static var uniqueKind: String { get }
  static var service: KindService { get }
  /// What `drover get` takes for the kind besides its name, as kubectl does; the plural first.
  static var aliases: [String] { get }
  var metadata: ObjectMetadata { get }

  /// Decodes everything but `apiVersion`, `kind`, `metadata` and `status`, and reports what is
  /// wrong to the reader; the result is used only when nothing was reported.
  init(metadata: ObjectMetadata, fields: FieldReader)
}

extension Manifest {
  package static var isNamespaced: Bool { true }
  package static var uniqueKind: String { kind }
  package static var service: KindService { .served }
  package static var aliases: [String] { [plural] }

  /// The name of the resource: `replicationsources`, `storageclasses`.
  package static var plural: String {
    let name = kind.lowercased()
    if name.hasSuffix("s") { return name + "es" }
    return name.hasSuffix("y") ? name.dropLast() + "ies" : name + "s"
  }

  /// The part of ``apiVersion`` before the slash; empty for the core kinds.
  package static var group: String {
    apiVersion.contains("/") ? String(apiVersion.prefix { $0 != "/" }) : ""
  }

  /// The kind with its version, for messages: `Backup (velero.io/v1)`.
  package static var title: String { "\(kind) (\(apiVersion))" }

  package var key: ObjectKey {
    ObjectKey(kind: Self.uniqueKind, namespace: metadata.namespace, name: metadata.name)
  }
}
