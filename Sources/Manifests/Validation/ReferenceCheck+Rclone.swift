/// The name in the Secret of a remote (VolSync reference 3.3).
package enum RcloneSecret {
  package static let configuration = "rclone.conf"
}

extension ReferenceCheck {
  func checkRclone(_ section: RcloneSection, path: String, of object: some Replication) {
    checkVolumes(of: section.mover, path: path, of: object)
    if let authority = section.customCA {
      checkAuthority(authority, path: "\(path).customCA", of: object)
    }
    // An empty name was reported with the section.
    guard let name = section.config, !name.value.isEmpty else { return }
    checkSecret(
      name, with: [RcloneSecret.configuration], path: "\(path).rcloneConfig", of: object)
  }
}
