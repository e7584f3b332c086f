import Platform

/// Checks that what the objects refer to by name is among them, and is of use.
package struct ReferenceCheck {
  let set: ManifestSet
  let problems: ProblemList

  /// The Secret that a replication without `keySecret` gets (VolSync reference 6.1).
  package static func generatedKeyName(for object: String) -> String {
    "volsync-rsync-tls-\(object)"
  }

  package init(_ set: ManifestSet, problems: ProblemList) {
    self.set = set
    self.problems = problems
  }

  /// Checks every object.
  package func checkAll() {
    for object in set.objects {
      switch object.manifest {
      case let source as ReplicationSource:
        if let claim = source.sourcePVC {
          checkClaim(claim, path: "spec.sourcePVC", of: source)
        }
        checkMover(of: source)
      case let destination as ReplicationDestination:
        checkMover(of: destination)
      case let claim as PersistentVolumeClaim:
        checkVolumeName(of: claim)
      default: break
      }
    }
  }

  private func checkMover(of object: some Replication) {
    guard let mover = object.mover else { return }
    let path = "spec.\(mover.name)"
    if let claim = mover.volume?.destinationPVC {
      checkClaim(claim, path: "\(path).destinationPVC", of: object)
    }
    switch mover {
    case .rsyncTLS(let section): checkRsyncTLS(section, path: path, of: object)
    case .rsync(let section):
      // VolSync reference 6.2.
      let needed =
        object is ReplicationSource
        ? ["source", "source.pub", "destination.pub"]
        : ["destination", "destination.pub", "source.pub"]
      if let keys = section.sshKeys {
        checkSecret(keys, with: needed, path: "\(path).sshKeys", of: object)
      }
    case .rclone(let section): checkRclone(section, path: path, of: object)
    case .restic(let section): checkRestic(section, path: path, of: object)
    case .syncthing, .external: break
    }
  }

  func checkVolumes(of mover: MoverOptions, path: String, of object: some Replication) {
    for (index, volume) in mover.volumes.enumerated() {
      let path = "\(path).moverVolumes[\(index)].volumeSource"
      if let secret = volume.secret { checkSecret(secret, path: "\(path).secret", of: object) }
      if let claim = volume.claim {
        checkClaim(claim, path: "\(path).persistentVolumeClaim", of: object)
      }
    }
  }

  private func checkRsyncTLS(_ section: RsyncTLSSection, path: String, of object: some Replication)
  {
    checkVolumes(of: section.mover, path: path, of: object)
    guard let name = section.keySecret else { return }
    let path = "\(path).keySecret"
    guard let secret = set.find(Secret.self, name.value, in: object.metadata.namespace) else {
      if set.generatesKey(named: name.value) { return }
      checkSecret(name, path: path, of: object)
      return
    }
    checkKeyFile(of: secret, named: name, path: path, of: object)
  }

  private func checkKeyFile(
    of secret: Secret, named name: Marked<String>, path: String, of object: some Replication
  ) {
    guard let content = secret.data[KeyFile.name] else {
      report(
        name.mark, path, "the Secret \"\(name.value)\" has no \(KeyFile.name)", of: object,
        suggestion: nearest(to: KeyFile.name, in: secret.data.keys.sorted()))
      return
    }
    guard let problem = KeyFile.problem(in: content.value) else { return }
    problems.add(
      Problem(
        content.mark, object: label(of: secret), path: "data.\(KeyFile.name)", problem))
  }

  func checkSecret(_ name: Marked<String>, path: String, of object: some Replication) {
    checkReference(Secret.self, name, path: path, of: object)
  }

  /// Checks that a Secret is there, and has values for the keys.
  func checkSecret(
    _ name: Marked<String>, with keys: [String], path: String, of object: some Replication
  ) {
    guard let secret = set.find(Secret.self, name.value, in: object.metadata.namespace) else {
      return checkSecret(name, path: path, of: object)
    }
    for key in keys {
      guard let value = secret.data[key] else {
        report(
          name.mark, path, "the Secret \"\(name.value)\" has no \(key)", of: object,
          suggestion: nearest(to: key, in: secret.data.keys.sorted()))
        continue
      }
      guard value.value.isEmpty else { continue }
      problems.add(
        Problem(value.mark, object: label(of: secret), path: "data.\(key)", "is empty"))
    }
  }

  func checkReference<Kind: Manifest>(
    _ type: Kind.Type, _ name: Marked<String>, path: String, of object: some Replication
  ) {
    if contains(type, name.value, in: object.metadata.namespace) { return }
    reportMissing(type, name, path: path, of: object)
  }

  private func checkClaim(_ name: Marked<String>, path: String, of object: some Replication) {
    if name.value.hasPrefix("/") {
      if name.value.split(separator: "/").contains("..") {
        report(name.mark, path, "\"\(name.value)\" must not contain \"..\"", of: object)
      }
      return
    }
    guard !name.value.contains("/") else {
      report(
        name.mark, path,
        "\"\(name.value)\" is neither the name of a claim nor an absolute path", of: object,
        suggestion: name.value.split(separator: "/").contains { $0 == "." || $0 == ".." }
          ? nil : "/" + name.value)
      return
    }
    checkReference(PersistentVolumeClaim.self, name, path: path, of: object)
  }

  private func checkVolumeName(of claim: PersistentVolumeClaim) {
    guard let name = claim.volumeName else { return }
    guard let volume = set.find(PersistentVolume.self, name.value, in: nil) else {
      if !contains(PersistentVolume.self, name.value, in: nil) {
        reportMissing(PersistentVolume.self, name, path: "spec.volumeName", of: claim)
      }
      return
    }
    if let owner = volume.claim, owner != claim.key {
      report(
        name.mark, "spec.volumeName",
        "the PersistentVolume \"\(name.value)\" is reserved for \(owner)", of: claim)
    }
    if volume.volumeMode != claim.volumeMode {
      report(
        name.mark, "spec.volumeMode",
        "is \(claim.volumeMode.rawValue), but that of the PersistentVolume \"\(name.value)\" is "
          + volume.volumeMode.rawValue, of: claim)
    }
  }

  func contains<Kind: Manifest>(
    _ type: Kind.Type, _ name: String, in namespace: String?
  ) -> Bool {
    set.contains(ObjectKey(kind: type.uniqueKind, namespace: namespace, name: name))
  }

  func reportMissing<Kind: Manifest>(
    _ type: Kind.Type, _ name: Marked<String>, path: String, of object: any Manifest
  ) {
    let namespace = type.isNamespaced ? object.metadata.namespace : nil
    let place = namespace.map { " in namespace \"\($0)\"" } ?? ""
    let others = set.all(type)
    let here = others.filter { $0.metadata.namespace == namespace }.map(\.metadata.name)
    let suggestion = nearest(to: name.value, in: here)
    var text = "no \(type.kind) \"\(name.value)\"\(place) in the given files"
    let elsewhere = others.first { $0.metadata.name == name.value }?.metadata.namespace
    if suggestion == nil, let elsewhere { text += " (there is one in namespace \"\(elsewhere)\")" }
    report(name.mark, path, text, of: object, suggestion: suggestion)
  }

  func report(
    _ mark: Mark, _ path: String, _ text: String, of object: any Manifest,
    suggestion: String? = nil
  ) {
    problems.add(
      Problem(mark, object: label(of: object), path: path, text, suggestion: suggestion))
  }

  func label(of object: any Manifest) -> String {
    "\(object.key.kind)/\(object.key.name)"
  }
}

extension ManifestSet {
  /// Whether a destination of the set gets a generated key Secret of that name. A user would copy
  /// it to the namespace of the source; within one set it is found in every namespace.
  package func generatesKey(named name: String) -> Bool {
    // One that could not be decoded may well be the one.
    if broken.contains(where: {
      $0.kind == ReplicationDestination.kind
        && ReferenceCheck.generatedKeyName(for: $0.name) == name
    }) {
      return true
    }
    return all(ReplicationDestination.self).contains { destination in
      guard case .rsyncTLS(let section)? = destination.mover else { return false }
      return section.keySecret == nil
        && ReferenceCheck.generatedKeyName(for: destination.metadata.name) == name
    }
  }
}
