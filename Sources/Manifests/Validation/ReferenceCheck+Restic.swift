import Platform

/// The names in the Secret of a repository (VolSync reference 6.3).
package enum ResticSecret {
  package static let repository = "RESTIC_REPOSITORY"
  package static let password = "RESTIC_PASSWORD"
}

extension ReferenceCheck {
  func checkRestic(_ section: ResticSection, path: String, of object: some Replication) {
    checkVolumes(of: section.mover, path: path, of: object)
    if let authority = section.customCA {
      checkAuthority(authority, path: "\(path).customCA", of: object)
    }
    guard let name = section.repository else { return }
    let path = "\(path).repository"
    let keys = [ResticSecret.repository, ResticSecret.password]
    checkSecret(name, with: keys, path: path, of: object)
  }

  func checkAuthority(_ authority: CustomCA, path: String, of object: some Replication) {
    guard let key = authority.key, !key.value.isEmpty else { return }
    if let name = authority.secretName, !name.value.isEmpty {
      checkSecret(name, path: "\(path).secretName", of: object)
    } else if let name = authority.configMapName, !name.value.isEmpty {
      checkReference(ConfigMap.self, name, path: "\(path).configMapName", of: object)
    } else {
      return
    }
    guard let keys = set.keys(of: authority, in: object.metadata.namespace) else { return }
    if !keys.contains(key.value) {
      report(
        key.mark, "\(path).key", "the key \"\(key.value)\" is not in it", of: object,
        suggestion: nearest(to: key.value, in: keys))
    }
  }
}

extension ManifestSet {
  /// The certificates that a section trusts besides those of the system; nil for none.
  package func certificates(of authority: CustomCA, in namespace: String?) -> [UInt8]? {
    guard let key = authority.key?.value, !key.isEmpty else { return nil }
    return data(of: authority, in: namespace)?[key]?.value
  }

  fileprivate func keys(of authority: CustomCA, in namespace: String?) -> [String]? {
    data(of: authority, in: namespace)?.keys.sorted()
  }

  /// The Secret wins over the ConfigMap (VolSync reference 2.3).
  private func data(of authority: CustomCA, in namespace: String?) -> [String: Marked<[UInt8]>]? {
    if let name = authority.secretName?.value, !name.isEmpty {
      return find(Secret.self, name, in: namespace)?.data
    }
    return authority.configMapName.flatMap { find(ConfigMap.self, $0.value, in: namespace) }?.data
  }
}
