import Manifests
import Platform
import Presentation
import StateStore

/// Objects of a state directory, found by the words of a command line.
struct ObjectFinder {
  let client: StateClient
  let registry = KindRegistry.standard
  /// Nil for all.
  let namespace: String?
  let selector: LabelSelector?

  init(_ client: StateClient, namespace: String?, selector: LabelSelector? = nil) {
    self.client = client
    self.namespace = namespace
    self.selector = selector
  }

  /// The objects in the order of the words; all that are missing are told after what is there.
  func objects(
    _ requests: [ResourceRequest]
  ) throws -> (found: [PrintedObject], missing: [any DroverError]) {
    var found: [PrintedObject] = []
    var missing: [any DroverError] = []
    for request in requests {
      if let name = request.name {
        switch try client.lookUp(key(request.kind, name)) {
        case .success(let object):
          if isChosen(object.document) { found.append(PrintedObject(object)) }
        case .failure(let failure): missing.append(failure)
        }
      } else {
        let list = try client.list(kind: request.kind, namespace: namespace)
        found += list.objects.filter { isChosen($0.document) }.map(PrintedObject.init)
        for problem in list.problems { Console.standard.complain("warning: \(problem)") }
      }
    }
    return (found, missing)
  }

  /// The one object that is meant; a name alone is of a source or of a destination.
  func object(_ words: [String]) throws -> StoredObject {
    let candidates = try ResourceWords(registry: registry).candidates(words)
    var found: [StoredObject] = []
    var missing: (any DroverError)?
    for candidate in candidates {
      switch try client.lookUp(key(candidate.kind, candidate.name ?? "")) {
      case .success(let object): found.append(object)
      case .failure(let failure): missing = missing ?? failure
      }
    }
    if found.count > 1, let name = words.first {
      throw OutputError(
        "\"\(name)\" is a ReplicationSource and a ReplicationDestination",
        hint: "write rs/\(name) or rd/\(name)")
    }
    guard let object = found.first else { throw missing ?? OutputError("there is no such object") }
    return object
  }

  func key(_ kind: String, _ name: String) -> ObjectKey {
    let isNamespaced = registry[kind]?.isNamespaced ?? true
    return ObjectKey(kind: kind, namespace: isNamespaced ? namespace ?? "default" : nil, name: name)
  }

  func isChosen(_ document: JSONObject) -> Bool {
    guard let selector else { return true }
    let members = document.value(["metadata", "labels"])?.objectValue?.members ?? []
    var labels: [String: String] = [:]
    for member in members { labels[member.name] = member.value.stringValue }
    return selector.matches(labels)
  }

  static func selector(_ text: String?) throws -> LabelSelector? {
    guard let text else { return nil }
    guard let selector = LabelSelector(text) else {
      throw OutputError(
        "\"\(text)\" is not a selector",
        hint: "write for instance -l app=web, -l 'tier!=db,zone in (a,b)' or -l '!old'")
    }
    return selector
  }
}

extension PrintedObject {
  init(_ object: StoredObject) {
    self.init(kind: object.key.kind, document: object.document)
  }
}

extension StateClient {
  /// The object, or the failure that says that there is none.
  func lookUp(_ key: ObjectKey) throws(StateError) -> Result<StoredObject, StateError> {
    do throws(StateError) {
      return .success(try object(key))
    } catch {
      guard error.isAboutOneObject else { throw error }
      return .failure(error)
    }
  }
}

extension StateError {
  /// Whether one object is not there; a directory that is missing is another matter.
  var isAboutOneObject: Bool {
    switch self {
    case .noDirectory, .directory: false
    default: kind == .notFound
    }
  }
}
