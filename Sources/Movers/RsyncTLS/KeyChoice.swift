package import Manifests
import Platform

/// Which destinations without a key get a fresh one.
package enum KeyGeneration: Sendable {
  /// Those whose source is in the files: one run has no memory.
  case forPairs
  /// All: what is made is kept, and a user copies it to the source, as with VolSync.
  case always
}

/// A Secret that VolSync would have made.
package struct GeneratedSecret: Sendable {
  package var key: ObjectKey
  var data: [String: [UInt8]]

  /// The Secret as a manifest.
  package var text: [UInt8] {
    var metadata: JSONObject = ["name": .string(key.name)]
    if let namespace = key.namespace { metadata["namespace"] = .string(namespace) }
    metadata["labels"] = .object(["app.kubernetes.io/created-by": .string("volsync")])
    var data = JSONObject()
    for (name, content) in self.data.sorted(by: { $0.key < $1.key }) {
      data[name] = .string(Base64.text(of: content))
    }
    let secret: JSONObject = [
      "apiVersion": .string(Secret.apiVersion), "kind": .string(Secret.kind),
      "metadata": .object(metadata),
      "data": .object(data),
    ]
    return Array(JSONValue.object(secret).yamlText.utf8)
  }
}

/// Which key each end of a run uses.
///
/// A named Secret wins; then one of the files under the name that VolSync would generate; then
/// what the other end of the pair uses; then, for a destination, a fresh key. One run has no
/// memory, so a fresh key is of use only when both ends are in the files.
struct KeyChoice {
  private let set: ManifestSet
  private var keys: [ObjectKey: [UInt8]] = [:]
  private var generated: [ObjectKey: String] = [:]
  private(set) var generatedSecrets: [GeneratedSecret] = []

  init(
    _ set: ManifestSet, _ pairing: Pairing, _ generation: KeyGeneration, problems: ProblemList
  ) {
    self.set = set
    for destination in set.all(ReplicationDestination.self) {
      guard case .rsyncTLS(let section)? = destination.mover else { continue }
      let peer = pairing.source(of: destination.key)
      let generatedName = ReferenceCheck.generatedKeyName(for: destination.metadata.name)
      if let content = ownKey(section, of: destination) {
        keys[destination.key] = content
        // Made by an earlier run, which has kept it.
        if section.keySecret == nil, generation == .always {
          generated[destination.key] = generatedName
        }
      } else if let content = peerKey(of: peer) {
        keys[destination.key] = content
      } else if section.keySecret == nil, peer != nil || generation == .always {
        let content = KeyFile.generate()
        keys[destination.key] = content
        generated[destination.key] = generatedName
        let namespace = destination.metadata.namespace
        let key = ObjectKey(kind: Secret.kind, namespace: namespace, name: generatedName)
        generatedSecrets.append(GeneratedSecret(key: key, data: [KeyFile.name: content]))
      } else {
        reportNoKey(section, of: destination, problems)
      }
    }
    for source in set.all(ReplicationSource.self) {
      guard case .rsyncTLS(let section)? = source.mover else { continue }
      let peer = pairing.destination(of: source.key)?.replication.key
      let content =
        ownKey(section, of: source) ?? keyOfDestination(section.keySecret?.value)
        ?? (section.keySecret == nil ? peer.flatMap { keys[$0] } : nil)
      if let content {
        keys[source.key] = content
      } else if peer != nil || section.address != nil {
        reportNoKey(section, of: source, problems)
      }
    }
  }

  /// Empty only when a problem was reported.
  func key(of object: ObjectKey) -> [UInt8] { keys[object] ?? [] }

  /// The name of the Secret that was made for a destination.
  func generatedName(of object: ObjectKey) -> String? { generated[object] }

  /// The key of the named Secret, or of one under the generated name.
  private func ownKey(_ section: RsyncTLSSection, of object: some Replication) -> [UInt8]? {
    let name =
      section.keySecret?.value ?? ReferenceCheck.generatedKeyName(for: object.metadata.name)
    let secret = set.find(Secret.self, name, in: object.metadata.namespace)
    guard let content = secret?.data[KeyFile.name]?.value else { return nil }
    // A bad file of a named Secret is reported with the references.
    return KeyFile.problem(in: content) == nil ? content : nil
  }

  private func peerKey(of source: Candidate<ReplicationSource, RsyncTLSSection>?) -> [UInt8]? {
    source.flatMap { ownKey($0.section, of: $0.replication) }
  }

  /// A source may name the Secret that a destination generates, as if it had been copied over.
  private func keyOfDestination(_ name: String?) -> [UInt8]? {
    guard let name else { return nil }
    let owner = set.all(ReplicationDestination.self).first { destination in
      ReferenceCheck.generatedKeyName(for: destination.metadata.name) == name
        && keys[destination.key] != nil
    }
    return owner.flatMap { keys[$0.key] }
  }

  private func reportNoKey(
    _ section: RsyncTLSSection, of object: some Replication, _ problems: ProblemList
  ) {
    // A named Secret that is missing or bad is reported with the references.
    guard section.keySecret == nil, let loaded = set.object(object.key) else { return }
    problems.add(
      Problem(
        loaded.mark, object: loaded.label, path: "spec.rsyncTLS.keySecret",
        "is required here: the other end is not among the given files and could not know a "
          + "generated key; name a Secret with \(KeyFile.name) "
          + "(`drover key generate` prints its content)"))
  }
}
