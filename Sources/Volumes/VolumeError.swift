package import FileTree
package import Manifests
package import Platform

/// Why a claim does not lead to a usable volume of this host.
package enum VolumeError: DroverError {
  case noClaim(name: String, namespace: String)
  case unbound(claim: ObjectKey)
  /// The volume of a claim will be made by what fills it first.
  case notMade(claim: String, path: String)
  case ambiguous(claim: ObjectKey, volumes: [String])
  case noVolume(name: String, claim: ObjectKey)
  /// The volume is of a sort that only a cluster can mount.
  case notOnHost(volume: String, source: String)
  case missing(path: String, owner: String)
  case inaccessible(PlatformError, owner: String)
  case wrongType(path: String, owner: String, found: String, wanted: String)
  case modeMismatch(claim: ObjectKey, claimMode: VolumeMode, volumeMode: VolumeMode)
  case notServed(String)
  /// A copy, an image or its place cannot be made or removed.
  case copy(String, PlatformError)
  /// A tree cannot be copied whole.
  case copyTree(volume: String, TreeError)
  /// The directory for copies is not one that only its owner may change.
  case place(path: String)
  /// Another process makes or uses the copy.
  case inUse(path: String)
  /// The method that was asked for does not work here.
  case method(CopyParameters.Method, volume: String, reason: String)
  case noSpace(volume: String, neededBytes: UInt64, freeBytes: UInt64, path: String)
  /// A volume holds more than it is to hold.
  case capacity(volume: String, usedBytes: UInt64, capacityBytes: UInt64)
  /// A claim asks for less than the image that it is filled from has.
  case claimTooSmall(claim: ObjectKey, bytes: UInt64, image: String, imageBytes: UInt64)
  /// A claim has not been filled yet.
  case notFilled(claim: ObjectKey, destination: String)
  /// The application that uses a claim has not said yet that it may be copied.
  case copyTrigger(claim: ObjectKey)
  /// A command of the user failed, or took too long.
  case command(String, reason: String)
  case cancelled

  package var kind: FailureKind {
    switch self {
    case .missing, .notMade, .notFilled: .notFound
    case .inaccessible(let error, _), .copy(_, let error): error.kind
    case .copyTree(_, let error): error.kind == .partial ? .failed : error.kind
    case .place, .noSpace, .capacity, .command: .failed
    case .inUse: .locked
    case .method: .unsupported
    case .cancelled: .cancelled
    default: .usage
    }
  }

  package var message: String {
    switch self {
    case .noClaim(let name, let namespace):
      "no PersistentVolumeClaim \"\(name)\" in namespace \"\(namespace)\" in the given files"
    case .unbound(let claim): "\(claim) is bound to no PersistentVolume"
    case .notMade(let claim, let path): "\(path), the volume of \(claim), has not been made yet"
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
    case .notServed(let what): what
    case .copy(let subject, let error):
      error.subject == subject ? error.message : "\(subject): \(error.message)"
    case .copyTree(let volume, let error): "a copy of \(volume) cannot be made: \(error.message)"
    case .place(let path):
      "\(path) cannot hold copies: it must be a directory that only the user of Drover may change"
    case .inUse(let path): "\(path) is in use by another process"
    case .method(let method, let volume, let reason):
      "the method \(method.rawValue) cannot copy \(volume): \(reason)"
    case .noSpace(let volume, let needed, let free, let path):
      "a copy of \(volume) needs \(needed) bytes, and \(path) has \(free) free"
    case .capacity(let volume, let used, let capacity):
      "\(volume) holds \(used) bytes, more than the capacity of \(capacity)"
    case .claimTooSmall(let claim, let bytes, let image, let imageBytes):
      "\(claim) asks for \(bytes) bytes, but VolumeSnapshot \(image) is of \(imageBytes)"
    case .notFilled(let claim, let destination):
      "\(claim) is not filled yet: it waits for an image of ReplicationDestination \(destination)"
    case .copyTrigger(let claim):
      "\(claim) waits for another value of \(CopyTriggerAnnotation.trigger.name)"
    case .command(let name, let reason): "the command \(name) \(reason)"
    case .cancelled: "cancelled"
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
    case .notMade: "A destination that names the claim makes and fills it."
    case .modeMismatch: "Give both the same volumeMode."
    case .copyTree:
      "Run Drover as a user who may read all of the volume, or use copyMethod: Direct."
    case .method, .place:
      "A VolumeSnapshotClass of the driver \(CopyParameters.driver) says the method and a root."
    case .noSpace: "Free space, or name a root elsewhere in the VolumeSnapshotClass."
    default: nil
    }
  }
}
