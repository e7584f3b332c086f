package import Platform

/// A decoded object with the document it came from.
package struct LoadedObject: Sendable, Equatable {
  package let manifest: any Manifest
  /// The object as it was written, with its namespace filled in.
  package let document: JSONObject
  package let mark: Mark

  package var key: ObjectKey { manifest.key }

  /// The manifest is what the document says.
  package static func == (a: LoadedObject, b: LoadedObject) -> Bool {
    a.mark == b.mark && a.document == b.document
  }

  /// The same object as if it had never run.
  package var withoutStatus: LoadedObject {
    var document = document
    document["status"] = nil
    return LoadedObject(manifest: manifest, document: document, mark: mark)
  }

  /// The same object with a status that is kept elsewhere, when it was made, and annotations of
  /// Drover's own.
  package func with(
    status: JSONObject, created: WallTime, annotations: JSONObject
  ) -> LoadedObject {
    var result = document
    result["status"] = status.members.isEmpty ? nil : .object(status)
    var metadata = result["metadata"]?.objectValue ?? JSONObject()
    metadata["creationTimestamp"] = .string(created.rfc3339)
    if !annotations.members.isEmpty {
      var all = metadata["annotations"]?.objectValue ?? JSONObject()
      for member in annotations.members { all[member.name] = member.value }
      metadata["annotations"] = .object(all)
    }
    result["metadata"] = .object(metadata)
    return LoadedObject(manifest: manifest, document: result, mark: mark)
  }

  /// The document with `status` in place of the one it had, for printing.
  package func document(status: JSONObject) -> JSONValue {
    var result = document
    result["status"] = status.members.isEmpty ? nil : .object(status)
    return .object(result)
  }
}

/// All objects of all given files, in their order.
package struct ManifestSet: Sendable {
  package private(set) var objects: [LoadedObject] = []
  private var byKey: [ObjectKey: Int] = [:]
  package private(set) var broken: Set<ObjectKey> = []
  /// What was found and accepted, such as fields that are not known.
  package var warnings: [Problem] = []

  package init() {}

  /// Adds an object; gives the one that has its key already, and then adds nothing.
  package mutating func insert(_ object: LoadedObject) -> LoadedObject? {
    if let index = byKey[object.key] { return objects[index] }
    byKey[object.key] = objects.count
    objects.append(object)
    return nil
  }

  /// Remembers an object that could not be decoded, so that references to it are not called
  /// missing.
  package mutating func insertBroken(_ key: ObjectKey) { broken.insert(key) }

  /// Whether an object of that key is there, decoded or not.
  func contains(_ key: ObjectKey) -> Bool { byKey[key] != nil || broken.contains(key) }

  package func object(_ key: ObjectKey) -> LoadedObject? { byKey[key].map { objects[$0] } }

  /// The objects of one kind, in their order.
  package func all<Kind: Manifest>(_ type: Kind.Type) -> [Kind] {
    objects.compactMap { $0.manifest as? Kind }
  }

  /// The object of a kind by name; `namespace` is nil for kinds of the whole cluster.
  package func find<Kind: Manifest>(_ type: Kind.Type, _ name: String, in namespace: String?)
    -> Kind?
  {
    object(ObjectKey(kind: type.uniqueKind, namespace: namespace, name: name))?.manifest as? Kind
  }
}

extension ManifestSet {
  /// A notice for each object for which nothing is done yet.
  package var notServed: [Problem] {
    objects.compactMap { object in
      let type = type(of: object.manifest)
      guard type.service == .notServed else { return nil }
      return Problem(
        object.mark, object: "\(type.kind)/\(object.key.name)",
        "\(type.title) is not served yet: the object is checked, and nothing is done for it")
    }
  }
}
