import Platform

/// What became of one document.
enum DecodedObject {
  case object(LoadedObject)
  /// Something is wrong in it, which has been reported.
  case broken(ObjectKey)
}

/// Turns documents into objects of registered kinds.
struct ObjectDecoder {
  let registry: KindRegistry
  /// The namespace of objects that name none.
  let namespace: String
  let problems: ProblemList

  /// Decodes one document; a `List` gives each of its items. Nothing is given for what has no kind.
  func decode(_ document: YAMLNode) -> [DecodedObject] {
    let fields = FieldReader(document, path: "", object: nil, problems: problems)
    guard case .mapping = document.content else { return [] }
    if fields.string("kind") == "List" { return decodeList(document) }
    return decodeObject(document).map { [$0] } ?? []
  }

  private func decodeList(_ document: YAMLNode) -> [DecodedObject] {
    let fields = FieldReader(document, path: "", object: "List", problems: problems)
    fields.ignore("apiVersion", "kind", "metadata")
    let items = fields.objects("items")
    fields.finish()
    return items.compactMap { decodeObject($0.node) }
  }

  private func decodeObject(_ node: YAMLNode) -> DecodedObject? {
    guard case .mapping = node.content else { return nil }
    let countBefore = problems.problems.count
    let unnamed = FieldReader(node, path: "", object: nil, problems: ProblemList())
    let name = unnamed.object("metadata")?.string("name")
    let label = unnamed.string("kind").map { kind in name.map { "\(kind)/\($0)" } ?? kind }

    let fields = FieldReader(node, path: "", object: label, problems: problems)
    guard let type = type(of: fields) else { return nil }
    let metadata = decodeMetadata(fields, isNamespaced: type.isNamespaced)
    // What the API server adds; its own status is kept elsewhere.
    fields.ignore("status")
    let manifest = type.init(metadata: metadata, fields: fields)
    fields.finish()
    guard problems.problems.count == countBefore else { return .broken(manifest.key) }
    let document = named(node.jsonValue, metadata)
    return .object(LoadedObject(manifest: manifest, document: document, mark: node.mark))
  }

  private func type(of fields: FieldReader) -> (any Manifest.Type)? {
    let apiVersion = fields.requiredString("apiVersion")
    guard let kind = fields.requiredString("kind"), !kind.isEmpty else { return nil }
    let candidates = registry.types(named: kind)
    guard let first = candidates.first else {
      reportUnknown(kind, fields)
      return nil
    }
    guard let apiVersion, !apiVersion.isEmpty else { return candidates.count == 1 ? first : nil }
    if let type = candidates.first(where: { $0.apiVersion == apiVersion }) { return type }
    let group = apiVersion.prefix { $0 != "/" }
    let type = candidates.first { $0.group == group } ?? (candidates.count == 1 ? first : nil)
    let versions = candidates.map { $0.apiVersion }
    guard let type else {
      fields.report(
        "apiVersion",
        "\"\(apiVersion)\" is not the version of a \(kind): write "
          + versions.joined(separator: " or "),
        suggestion: nearest(to: apiVersion, in: versions))
      return nil
    }
    fields.report(
      "apiVersion", "\"\(apiVersion)\" is not the version of \(kind)", suggestion: type.apiVersion)
    return type
  }

  private func reportUnknown(_ kind: String, _ fields: FieldReader) {
    guard let meant = nearest(to: kind, in: registry.kindNames) else {
      fields.report(
        "kind",
        "no kind \"\(kind)\" is known here: leave the object out (`drover explain` lists the kinds)"
      )
      return
    }
    fields.report("kind", "no kind \"\(kind)\" is known here", suggestion: meant)
  }

  /// The object as it was written, with the namespace it ended up in.
  private func named(_ value: JSONValue, _ metadata: ObjectMetadata) -> JSONObject {
    var document = value.objectValue ?? JSONObject()
    guard let namespace = metadata.namespace, var fields = document["metadata"]?.objectValue else {
      return document
    }
    fields["namespace"] = .string(namespace)
    document["metadata"] = .object(fields)
    return document
  }

  // MARK: metadata

  private func decodeMetadata(_ object: FieldReader, isNamespaced: Bool) -> ObjectMetadata {
    guard let fields = object.object("metadata") else {
      object.report("metadata", "is required, with a name")
      return ObjectMetadata(name: "", namespace: nil)
    }
    let name = fields.requiredString("name") ?? ""
    if !name.isEmpty, let problem = ObjectName.problem(inName: name) {
      fields.report("name", problem)
    }
    let namespace = fields.string("namespace") ?? self.namespace
    if let problem = ObjectName.problem(inNamespace: namespace) {
      fields.report("namespace", problem)
    }
    var metadata = ObjectMetadata(name: name, namespace: isNamespaced ? namespace : nil)
    metadata.labels = fields.stringMap("labels").mapValues(\.value)
    metadata.annotations = fields.stringMap("annotations")
    fields.ignore(
      "uid", "resourceVersion", "generation", "generateName", "creationTimestamp",
      "deletionTimestamp", "deletionGracePeriodSeconds", "ownerReferences", "finalizers",
      "managedFields", "selfLink")
    fields.finish()
    Annotation.check(metadata.annotations, fields)
    return metadata
  }
}
