package import Manifests
package import Platform

/// Why a claim does not lead to a usable volume of this host.
package enum VolumeError: DroverError {
  case noClaim(name: String, namespace: String)
  case unbound(claim: ObjectKey)
  case ambiguous(claim: ObjectKey, volumes: [String])
  case noVolume(name: String, claim: ObjectKey)
  /// The volume is of a sort that only a cluster can mount.
  case notOnHost(volume: String, source: String)
  case missing(path: String, owner: String)
  case inaccessible(PlatformError, owner: String)
  case wrongType(path: String, owner: String, found: String, wanted: String)
  case modeMismatch(claim: ObjectKey, claimMode: VolumeMode, volumeMode: VolumeMode)
  /// Only Direct is served.
  case copyMethod(CopyMethod)
  case notServed(String)

  package var kind: FailureKind {
    switch self {
    case .missing: .notFound
    case .inaccessible(let error, _): error.kind
    default: .usage
    }
  }

  package var message: String {
    switch self {
    case .noClaim(let name, let namespace):
      "no PersistentVolumeClaim \"\(name)\" in namespace \"\(namespace)\" in the given files"
    case .unbound(let claim): "\(claim) is bound to no PersistentVolume"
    case .ambiguous(let claim, let volumes):
      "\(claim) is named by several PersistentVolumes: \(volumes.joined(separator: ", "))"
    case .noVolume(let name, let claim):
      "no PersistentVolume \"\(name)\", which \(claim) names, in the given files"
    case .notOnHost(let volume, let source):
      "PersistentVolume \(volume) is a \(source) volume, which a host cannot open"
    case .missing(let path, let owner): "\(path), the volume of \(owner), does not exist"
    case .inaccessible(let error, let owner): "the volume of \(owner): \(error.message)"
    case .wrongType(let path, let owner, let found, let wanted):
      "\(path), the volume of \(owner), is \(found), but should be \(wanted)"
    case .modeMismatch(let claim, let claimMode, let volumeMode):
      "\(claim) asks for volumeMode \(claimMode.rawValue), its PersistentVolume is "
        + volumeMode.rawValue
    case .copyMethod(let method): "copyMethod \(method.rawValue) is not served yet: only Direct is"
    case .notServed(let what): what
    }
  }

  package var hint: String? {
    switch self {
    case .unbound:
      "Set spec.volumeName to a PersistentVolume with hostPath.path or local.path."
    case .notOnHost: "Mount it and name the mount point as hostPath.path."
    case .missing: "Create it, or mount the volume there."
    case .wrongType:
      "A directory is volumeMode: Filesystem; a block device or a raw image is volumeMode: Block."
    case .modeMismatch: "Give both the same volumeMode."
    default: nil
    }
  }
}
