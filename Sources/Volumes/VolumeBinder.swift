package import Manifests
import Platform

/// A volume of this host, found and looked at.
package struct BoundVolume: Sendable, Equatable {
  /// What lies at the path.
  package enum Form: Sendable, Equatable {
    case directory
    case blockDevice
    case rawImage
  }

  package var path: String
  package var form: Form
  /// The claim by which it was found; nil for a plain path.
  package var claim: ObjectKey?

  package init(path: String, form: Form, claim: ObjectKey?) {
    self.path = path
    self.form = form
    self.claim = claim
  }

  package var mode: VolumeMode { form == .directory ? .filesystem : .block }
}

/// Follows claims to paths of this host.
package struct VolumeBinder {
  private let set: ManifestSet

  package init(_ set: ManifestSet) { self.set = set }

  /// The volume a replication reads.
  package func bind(source: ReplicationSource) throws(VolumeError) -> BoundVolume {
    try requireDirect(source.mover?.volume)
    guard let name = source.sourcePVC?.value else {
      throw .notServed("it names no volume to read")
    }
    return try bind(claim: name, of: source)
  }

  /// The volume a replication fills.
  package func bind(destination: ReplicationDestination) throws(VolumeError) -> BoundVolume {
    try requireDirect(destination.mover?.volume)
    guard let name = destination.mover?.volume?.destinationPVC?.value else {
      throw .notServed("provisioning a volume is not served yet: name a destinationPVC")
    }
    return try bind(claim: name, of: destination)
  }

  /// Only Direct reads and writes the volume itself; the point-in-time copies are made elsewhere.
  private func requireDirect(_ options: VolumeOptions?) throws(VolumeError) {
    guard let method = options?.copyMethod?.value, !method.isDirect else { return }
    throw .copyMethod(method)
  }

  /// Finds the volume of a claim, or of an absolute path in its place.
  package func bind(
    claim name: String, of object: some Replication
  ) throws(VolumeError) -> BoundVolume {
    if name.hasPrefix("/") {
      let form = try form(of: name, owner: "\(object.key)")
      return BoundVolume(path: name, form: form, claim: nil)
    }
    let namespace = object.metadata.namespace ?? "default"
    guard let claim = set.find(PersistentVolumeClaim.self, name, in: namespace) else {
      throw .noClaim(name: name, namespace: namespace)
    }
    let volume = try volume(of: claim)
    guard volume.volumeMode == claim.volumeMode else {
      throw .modeMismatch(
        claim: claim.key, claimMode: claim.volumeMode, volumeMode: volume.volumeMode)
    }
    return try open(volume, of: claim)
  }

  private func volume(of claim: PersistentVolumeClaim) throws(VolumeError) -> PersistentVolume {
    if let name = claim.volumeName?.value {
      guard let volume = set.find(PersistentVolume.self, name, in: nil) else {
        throw .noVolume(name: name, claim: claim.key)
      }
      return volume
    }
    if claim.dataSource != nil {
      throw .notServed("\(claim.key): filling a claim from dataSourceRef is not served yet")
    }
    let reserved = set.all(PersistentVolume.self).filter { $0.claim == claim.key }
    guard let volume = reserved.first else { throw .unbound(claim: claim.key) }
    guard reserved.count == 1 else {
      throw .ambiguous(claim: claim.key, volumes: reserved.map(\.metadata.name))
    }
    return volume
  }

  private func open(
    _ volume: PersistentVolume, of claim: PersistentVolumeClaim
  ) throws(VolumeError) -> BoundVolume {
    let path: String
    var type = PersistentVolume.HostPathType.unspecified
    switch volume.location {
    case .hostPath(let marked, let hostPathType)?:
      path = marked.value
      type = hostPathType
    case .local(let marked)?: path = marked.value
    case .other(let source)?:
      throw .notOnHost(volume: volume.metadata.name, source: source.value)
    case nil: throw .unbound(claim: claim.key)
    }
    let owner = "\(claim.key)"
    if type == .directoryOrCreate { try createDirectory(path, owner: owner) }
    let form = try form(of: path, owner: owner)
    try check(form, path: path, against: type, owner: owner)
    let isWanted = (form == .directory) == (claim.volumeMode == .filesystem)
    guard isWanted else {
      throw .wrongType(
        path: path, owner: owner, found: form.noun,
        wanted: "what volumeMode \(claim.volumeMode.rawValue) asks for")
    }
    return BoundVolume(path: path, form: form, claim: claim.key)
  }

  private func check(
    _ form: BoundVolume.Form, path: String, against type: PersistentVolume.HostPathType,
    owner: String
  ) throws(VolumeError) {
    let wanted: BoundVolume.Form
    switch type {
    case .unspecified: return
    case .directory, .directoryOrCreate: wanted = .directory
    case .file, .fileOrCreate: wanted = .rawImage
    case .blockDevice: wanted = .blockDevice
    case .socket, .characterDevice:
      throw .notServed("\(owner): hostPath.type \(type.rawValue) is no volume")
    }
    guard form == wanted else {
      throw .wrongType(
        path: path, owner: owner, found: form.noun,
        wanted: "\(wanted.noun) as hostPath.type says")
    }
  }
}

extension BoundVolume.Form {
  var noun: String {
    switch self {
    case .directory: "a directory"
    case .blockDevice: "a block device"
    case .rawImage: "a regular file"
    }
  }
}
