import Glibc
package import Manifests
import Platform

/// A volume that is made when a run needs it.
package struct Provision: Sendable, Equatable {
  /// The directory below which volumes are made.
  package var root: String
  package var mode: VolumeMode
  /// What the volume is to hold; nil when nothing says it.
  package var capacityBytes: UInt64?
  /// The user who owns it; nil for that of Drover.
  package var userID: UInt32?
  /// The group that may write to it; nil for that of Drover.
  package var groupID: UInt32?

  package init(root: String, mode: VolumeMode, capacityBytes: UInt64?) {
    self.root = root
    self.mode = mode
    self.capacityBytes = capacityBytes
  }

  /// Where the volume of a claim stands.
  package func path(of claim: ObjectKey) -> String {
    "\(root)/\(CopyPlace.name(claim.name, in: claim.namespace))"
  }
}

/// Makes and removes volumes: a directory, on btrfs a subvolume; a sparse file of the capacity for
/// `volumeMode: Block`.
package struct VolumeMaker: Sendable {
  private static let unfinishedPrefix = ".making-"

  package init() {}

  /// Makes the volume when it is not there yet: whole, or not at all. True when it was made.
  package func make(_ volume: BoundVolume) throws(VolumeError) -> Bool {
    guard let provision = volume.provision, access(volume.path, F_OK) != 0 else { return false }
    try makeRoot(provision.root)
    if let capacity = provision.capacityBytes {
      try SpaceCheck.require(capacity, of: volume.path, at: provision.root)
    }
    let name = String(volume.path.dropFirst(provision.root.count + 1))
    switch provision.mode {
    case .filesystem: try makeDirectory(name, provision)
    case .block: try makeImage(name, provision)
    }
    return true
  }

  /// The directory of volumes, with those above it.
  package func makeRoot(_ path: String) throws(VolumeError) {
    var end = path.startIndex
    while end < path.endIndex {
      end = path[path.index(after: end)...].firstIndex(of: "/") ?? path.endIndex
      _ = mkdir(String(path[..<end]), 0o711)
    }
    guard access(path, F_OK) == 0 else { throw .copy(path, .last("mkdir", path)) }
  }

  private func makeDirectory(_ name: String, _ provision: Provision) throws(VolumeError) {
    let path = "\(provision.root)/\(name)"
    let raw = open(provision.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard raw >= 0 else { throw .copy(provision.root, .last("open", provision.root)) }
    let root = Descriptor(owning: raw)
    if Subvolumes.areServed(at: root.raw), Subvolumes.make(name, in: root.raw) == 0 {
    } else if mkdir(path, 0o755) != 0, errno != EEXIST {
      throw .copy(path, .last("mkdir", path))
    }
    try give(path, to: provision, mode: 0o2775)
  }

  private func makeImage(_ name: String, _ provision: Provision) throws(VolumeError) {
    let path = "\(provision.root)/\(name)"
    let unfinished = "\(provision.root)/\(VolumeMaker.unfinishedPrefix)\(name)"
    let raw = retryingOnInterrupt {
      open(unfinished, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o660)
    }
    guard raw >= 0 else { throw .copy(unfinished, .last("open", unfinished)) }
    let descriptor = Descriptor(owning: raw)
    do throws(PlatformError) {
      try FileIO.truncate(descriptor.raw, to: Int64(clamping: provision.capacityBytes ?? 0))
    } catch {
      throw .copy(path, error)
    }
    try give(unfinished, to: provision, mode: 0o660)
    guard rename(unfinished, path) == 0 else { throw .copy(path, .last("rename", path)) }
  }

  private func give(
    _ path: String, to provision: Provision, mode: mode_t
  ) throws(VolumeError) {
    let (user, group) = (provision.userID, provision.groupID)
    guard user != nil || group != nil else { return }
    guard chown(path, user ?? uid_t.max, group ?? gid_t.max) == 0,
      group == nil || chmod(path, mode) == 0
    else { throw .copy(path, .last("chown", path)) }
  }

  /// Removes a volume that was made; safe to repeat.
  package func remove(_ volume: BoundVolume) throws(VolumeError) {
    guard let provision = volume.provision else { return }
    let name = String(volume.path.dropFirst(provision.root.count + 1))
    let maker = CopyMaker(CopyPlace(path: provision.root), CopyParameters())
    try maker.remove(name, by: nil, volume: volume.path)
  }
}
