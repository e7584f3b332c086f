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
  /// Of a volume that Drover makes, when it is not there yet; nil for one of the user's.
  package var provision: Provision?

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
  private let volumeRoot: String?

  /// `volumeRoot` is where volumes are made whose class names no other directory; nil when none
  /// are made.
  package init(_ set: ManifestSet, volumeRoot: String? = nil) {
    self.set = set
    self.volumeRoot = volumeRoot
  }

  /// The volume a replication reads.
  package func bind(source: ReplicationSource) throws(VolumeError) -> BoundVolume {
    guard let name = source.sourcePVC?.value else {
      throw .notServed("it names no volume to read")
    }
    let volume = try bind(claim: name, of: source)
    guard volume.provision == nil || volume.isThere else {
      throw .notMade(claim: "\(volume.claim?.description ?? name)", path: volume.path)
    }
    return volume
  }

  /// The volume a replication fills.
  package func bind(destination: ReplicationDestination) throws(VolumeError) -> BoundVolume {
    guard let name = destination.mover?.volume?.destinationPVC?.value else {
      return try provisioned(for: destination)
    }
    return try bind(claim: name, of: destination)
  }

  /// The volume that a destination without a claim fills: it has VolSync's name.
  private func provisioned(
    for destination: ReplicationDestination
  ) throws(VolumeError) -> BoundVolume {
    let options = destination.mover?.volume
    let claim = VolumeBinder.ownClaim(of: destination)
    let provision = provision(
      ofClass: options?.storageClassName, mode: options?.volumeMode ?? .filesystem,
      capacity: options?.capacity)
    guard let provision else {
      throw .notServed("there is no directory to make a volume in: name a destinationPVC")
    }
    return try bind(provision, claim)
  }

  /// The claim that VolSync makes for a destination without one (VolSync reference 5.1).
  package static func ownClaim(of destination: ReplicationDestination) -> ObjectKey {
    let suffix =
      switch destination.mover {
      case .restic, .rclone: "dest"
      default: "dst"
      }
    return ObjectKey(
      kind: PersistentVolumeClaim.kind, namespace: destination.metadata.namespace ?? "default",
      name: "volsync-\(destination.metadata.name)-\(suffix)")
  }

  private func provision(
    ofClass name: String?, mode: VolumeMode, capacity: Quantity?
  ) -> Provision? {
    // An empty name asks for no class.
    let found =
      name.map { set.find(StorageClass.self, $0, in: nil) }
      ?? set.all(StorageClass.self).first { $0.isDefault }
    guard let root = found?.root ?? volumeRoot else { return nil }
    return Provision(root: root, mode: mode, capacityBytes: capacity?.bytes)
  }

  /// A volume of Drover's own, whether it is there already or not.
  private func bind(_ provision: Provision, _ claim: ObjectKey) throws(VolumeError) -> BoundVolume {
    let path = provision.path(of: claim)
    let wanted: BoundVolume.Form = provision.mode == .filesystem ? .directory : .rawImage
    var volume = BoundVolume(path: path, form: wanted, claim: claim)
    volume.provision = provision
    guard volume.isThere else { return volume }
    let found = try form(of: path, owner: "\(claim)")
    guard found == wanted else {
      throw .wrongType(
        path: path, owner: "\(claim)", found: found.noun,
        wanted: "what volumeMode \(provision.mode.rawValue) asks for")
    }
    return volume
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
    guard let volume = try volume(of: claim) else { return try made(for: claim) }
    guard volume.volumeMode == claim.volumeMode else {
      throw .modeMismatch(
        claim: claim.key, claimMode: claim.volumeMode, volumeMode: volume.volumeMode)
    }
    return try open(volume, of: claim)
  }

  /// The volume that is made for a claim which no PersistentVolume serves.
  private func made(for claim: PersistentVolumeClaim) throws(VolumeError) -> BoundVolume {
    let provision = provision(
      ofClass: claim.storageClassName, mode: claim.volumeMode, capacity: claim.requestedSize)
    guard let provision else { throw .unbound(claim: claim.key) }
    let volume = try bind(provision, claim.key)
    if let destination = claim.populator, !volume.isThere {
      throw .notFilled(claim: claim.key, destination: destination)
    }
    return volume
  }

  /// Where the volume of a claim stands that is filled from a destination's image; nil for a claim
  /// that is not, and where no volumes are made.
  package func fillable(_ claim: PersistentVolumeClaim) -> Provision? {
    // One that is bound to a volume is not filled, as in a cluster.
    guard claim.populator != nil, claim.volumeName == nil,
      !set.all(PersistentVolume.self).contains(where: { $0.claim == claim.key })
    else { return nil }
    return provision(
      ofClass: claim.storageClassName, mode: claim.volumeMode, capacity: claim.requestedSize)
  }

  /// The PersistentVolume of a claim; nil when none is named.
  private func volume(of claim: PersistentVolumeClaim) throws(VolumeError) -> PersistentVolume? {
    if let name = claim.volumeName?.value {
      guard let volume = set.find(PersistentVolume.self, name, in: nil) else {
        throw .noVolume(name: name, claim: claim.key)
      }
      return volume
    }
    let reserved = set.all(PersistentVolume.self).filter { $0.claim == claim.key }
    guard let volume = reserved.first else {
      if let source = claim.dataSource, claim.populator == nil {
        throw .notServed(
          "\(claim.key): a claim is filled from a ReplicationDestination of its namespace only, "
            + "not from a \(source.kind)")
      }
      return nil
    }
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

extension PersistentVolumeClaim {
  /// The destination of the same namespace whose image fills the claim.
  package var populator: String? {
    guard let source = dataSource, source.kind == ReplicationDestination.kind,
      source.apiGroup == ReplicationDestination.group,
      source.namespace == nil || source.namespace == metadata.namespace
    else { return nil }
    return source.name
  }
}
