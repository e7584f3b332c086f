package import Manifests
import Platform

/// What a command is about: a kind, and a name or all of them.
package struct ResourceRequest: Sendable, Equatable {
  /// The ``Manifest/uniqueKind``.
  package var kind: String
  package var name: String?

  package init(kind: String, name: String?) {
    self.kind = kind
    self.name = name
  }
}

/// Reads the words by which kubectl names objects: `rs`, `rs,rd`, `rs a b`, `rs/a pvc/b`, `all`,
/// `replicationsources.volsync.backube`.
package struct ResourceWords {
  /// More objects are asked for by kind.
  package static let countMax = 1000

  private let registry: KindRegistry

  package init(registry: KindRegistry = .standard) { self.registry = registry }

  package func requests(_ words: [String]) throws(OutputError) -> [ResourceRequest] {
    guard let first = words.first else {
      throw OutputError(
        "say what: a kind such as rs (ReplicationSource) or rd (ReplicationDestination), or all",
        hint: "`drover explain` lists the kinds")
    }
    guard words.count <= ResourceWords.countMax else {
      throw OutputError("more than \(ResourceWords.countMax) names: ask for the kind")
    }
    if words.contains(where: { $0.contains("/") }) {
      var requests: [ResourceRequest] = []
      for word in words { requests.append(try request(word)) }
      return requests
    }
    let kinds = try kinds(first)
    let names = words.dropFirst()
    if names.isEmpty { return kinds.map { ResourceRequest(kind: $0, name: nil) } }
    var requests: [ResourceRequest] = []
    for kind in kinds {
      for name in names { requests.append(ResourceRequest(kind: kind, name: try checked(name))) }
    }
    return requests
  }

  /// One object, of a replication when no kind is said: `data`, `rs/data`, `rs data`.
  ///
  /// A name alone gives the source and the destination of that name; the caller knows which there
  /// is.
  package func candidates(_ words: [String]) throws(OutputError) -> [ResourceRequest] {
    if words.count == 1, let word = words.first, !word.contains("/") {
      let name = try checked(word)
      return ResourceWords.replications.map { ResourceRequest(kind: $0, name: name) }
    }
    let requests = try requests(words)
    guard requests.count == 1, requests.first?.name != nil else {
      throw OutputError("name one object: NAME, KIND/NAME or KIND NAME")
    }
    return requests
  }

  private static let replications = [
    ReplicationSource.uniqueKind, ReplicationDestination.uniqueKind,
  ]

  private func request(_ word: String) throws(OutputError) -> ResourceRequest {
    let parts = word.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty else {
      throw OutputError("\"\(word)\" is not KIND/NAME; with one word KIND/NAME, all are")
    }
    let kinds = try kinds(String(parts[0]))
    guard kinds.count == 1, let kind = kinds.first else {
      throw OutputError("\"\(word)\": one kind has one name")
    }
    return ResourceRequest(kind: kind, name: try checked(String(parts[1])))
  }

  private func kinds(_ word: String) throws(OutputError) -> [String] {
    var kinds: [String] = []
    for part in word.split(separator: ",", omittingEmptySubsequences: false) {
      for kind in try kindsOfOne(String(part)) where !kinds.contains(kind) { kinds.append(kind) }
    }
    return kinds
  }

  private func kindsOfOne(_ word: String) throws(OutputError) -> [String] {
    if word.lowercased() == "all" { return ResourceWords.replications }
    let types = registry.types(meantBy: word)
    if types.count > 1 {
      let words = types.map { "\($0.plural).\($0.group)" }
      throw OutputError(
        "\"\(word)\" is a kind of several groups", hint: "write \(words.joined(separator: " or "))")
    }
    guard let type = types.first else {
      let meant = nearest(to: word.lowercased(), in: registry.spellings)
      throw OutputError(
        "the server doesn't have a resource type \"\(word)\"",
        hint: meant.map { "did you mean \"\($0)\"?" } ?? "`drover explain` lists the kinds")
    }
    return [type.uniqueKind]
  }

  /// A name goes into paths of files: it is looked at before it is used.
  private func checked(_ name: String) throws(OutputError) -> String {
    let isName =
      !name.isEmpty && name.utf8.count <= 253 && name.first != "." && name.last != "."
      && name.utf8.allSatisfy { byte in
        (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2d || byte == 0x2e
      }
    guard isName else {
      throw OutputError("\"\(name)\" is not a name: lower-case letters, digits, - and .")
    }
    return name
  }
}
