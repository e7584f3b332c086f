import FileTree
import Glibc
package import Manifests
import Platform

/// What a copy is: how it was made, and how far it is of one moment.
package struct CopyFacts: Sendable, Equatable {
  package var method: CopyParameters.Method
  package var consistency: CopyConsistency
  /// What stands against the consistency that the method gives as a rule.
  package var note: String?

  package init(_ method: CopyParameters.Method, _ consistency: CopyConsistency) {
    self.method = method
    self.consistency = consistency
  }

  /// For people: `btrfs, atomic`.
  package var text: String {
    "\(method.rawValue), \(consistency.rawValue)" + (note.map { " (\($0))" } ?? "")
  }
}

/// Makes and removes copies of a volume in a place.
package struct CopyMaker: Sendable {
  /// How long the user's commands that make and remove copies may take.
  package static let commandTimeoutSeconds = 600.0

  package let place: CopyPlace
  package let parameters: CopyParameters
  /// What the user's commands are told besides paths.
  package let variables: [String: String]
  private let isCancelled: @Sendable () -> Bool

  package init(
    _ place: CopyPlace, _ parameters: CopyParameters, variables: [String: String] = [:],
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) {
    self.place = place
    self.parameters = parameters
    self.variables = variables
    self.isCancelled = isCancelled
  }

  // MARK: Methods

  /// The method that makes copies of a volume: the one that the class names, or the best that the
  /// file systems of volume and place offer.
  package func method(for volume: BoundVolume) throws(VolumeError) -> CopyParameters.Method {
    if let method = parameters.method { return method }
    let source = try open(volume)
    if volume.form == .directory, Subvolumes.isRoot(source.raw) {
      let place = try place.open()
      if Subvolumes.areServed(at: place.raw) { return .btrfs }
    }
    return volume.form != .blockDevice && canShare(with: source) ? .reflink : .copy
  }

  private func open(_ volume: BoundVolume) throws(VolumeError) -> SharedDescriptor {
    let raw = retryingOnInterrupt { Glibc.open(volume.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
    guard raw >= 0 else { throw .copy(volume.path, .last("open", volume.path)) }
    return SharedDescriptor(owning: raw)
  }

  /// Whether files of the place can share extents with those of the volume: tried with files that
  /// have no name.
  private func canShare(with source: SharedDescriptor) -> Bool {
    var (there, here) = (stat(), stat())
    // A place that cannot be opened shares nothing, and shows when the copy is made.
    guard let place = try? place.open(), fstat(source.raw, &there) == 0,
      fstat(place.raw, &here) == 0
    else { return false }
    // Subvolumes of one btrfs have different devices.
    guard there.st_dev == here.st_dev || Subvolumes.areServed(at: source.raw) else { return false }
    let from = SharedDescriptor(owning: FileSystem.openUnnamed(in: place.raw, mode: 0o600))
    let into = SharedDescriptor(owning: FileSystem.openUnnamed(in: place.raw, mode: 0o600))
    // Their numbers alone are used below.
    defer { withExtendedLifetime((from, into)) {} }
    guard from.raw >= 0, into.raw >= 0 else { return false }
    // A block of data; when it cannot be written, it cannot be shared either.
    guard (try? FileIO.write(from.raw, [UInt8](repeating: 1, count: 4096), at: 0)) != nil
    else { return false }
    return FileSystem.clone(from.raw, to: into.raw)
  }

  // MARK: Making

  /// Makes a copy under a name that is free; `isWritable` is for volumes of their own.
  func make(
    _ name: String, of volume: BoundVolume, by method: CopyParameters.Method,
    isWritable: Bool = false
  ) throws(VolumeError) -> CopyFacts {
    if isCancelled() { throw .cancelled }
    switch method {
    case .btrfs: return try snapshot(name, of: volume, isWritable: isWritable)
    case .reflink: return try copy(name, of: volume, .extents)
    case .copy:
      try SpaceCheck.require(SpaceCheck.usedBytes(of: volume), of: volume.path, at: place.path)
      return try copy(name, of: volume, .none)
    case .command: return try runCreate(name, of: volume)
    }
  }

  private func snapshot(
    _ name: String, of volume: BoundVolume, isWritable: Bool
  ) throws(VolumeError) -> CopyFacts {
    let source = try open(volume)
    guard volume.form == .directory, Subvolumes.isRoot(source.raw) else {
      throw .method(.btrfs, volume: volume.path, reason: "it is no subvolume of btrfs")
    }
    let directory = try place.open()
    guard Subvolumes.snapshot(source.raw, as: name, in: directory.raw) == 0 else {
      if errno == EXDEV || errno == ENOTTY {
        throw .method(
          .btrfs, volume: volume.path, reason: "\(place.path) is on another file system")
      }
      throw .copy(place.path(of: name), .last("snapshot", volume.path))
    }
    if place.isInside { try removeInner(of: name) }
    if !isWritable {
      let raw = Glibc.open(place.path(of: name), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      guard raw >= 0 else { throw .copy(place.path(of: name), .last("open", volume.path)) }
      let descriptor = Descriptor(owning: raw)
      guard Subvolumes.set(readOnly: true, descriptor.raw) == 0 else {
        throw .copy(place.path(of: name), .last("read-only", place.path(of: name)))
      }
    }
    return CopyFacts(.btrfs, .atomic)
  }

  /// Removes the place from a snapshot of the volume that it lies in: nested snapshots are empty
  /// directories there.
  private func removeInner(of name: String) throws(VolumeError) {
    try removeTree(CopyPlace.name, in: place.path(of: name))
  }

  private func copy(
    _ name: String, of volume: BoundVolume, _ sharing: TreeCopy.Sharing
  ) throws(VolumeError) -> CopyFacts {
    let target = place.path(of: name)
    let method: CopyParameters.Method = sharing == .extents ? .reflink : .copy
    guard volume.form == .directory else {
      let isShared = try copyFile(of: volume, to: target, sharing)
      if sharing == .extents, !isShared {
        throw .method(
          .reflink, volume: volume.path, reason: "its file system has no shared extents")
      }
      // The image is one file.
      return CopyFacts(method, isShared ? .atomic : .none)
    }
    let report = try TreeCopy(volume.path, to: target, sharing, isCancelled: isCancelled).run()
    guard sharing == .extents else { return CopyFacts(method, .none) }
    guard report.unsharedCount < report.fileCount || report.fileCount == 0 else {
      throw .method(.reflink, volume: volume.path, reason: "its file system has no shared extents")
    }
    var facts = CopyFacts(method, report.unsharedCount == 0 ? .perFile : .none)
    if report.unsharedCount > 0 {
      facts.note = "\(report.unsharedCount) files cannot share extents and were copied"
    }
    return facts
  }

  private func copyFile(
    of volume: BoundVolume, to target: String, _ sharing: TreeCopy.Sharing
  ) throws(VolumeError) -> Bool {
    let source = try open(volume)
    let raw = retryingOnInterrupt {
      Glibc.open(target, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    }
    guard raw >= 0 else { throw .copy(target, .last("open", target)) }
    let descriptor = Descriptor(owning: raw)
    var status = stat()
    // So that a mover of the volume's user reads the copy, too.
    if volume.form == .rawImage, fstat(source.raw, &status) == 0 {
      _ = fchown(descriptor.raw, status.st_uid, status.st_gid)
      _ = fchmod(descriptor.raw, status.st_mode & 0o777)
    }
    do throws(PlatformError) {
      return try TreeCopy.copyFile(
        source.raw, to: descriptor.raw, sharing, isCancelled: isCancelled)
    } catch {
      if isCancelled() { throw .cancelled }
      throw .copy(volume.path, error)
    }
  }

  // MARK: Commands

  private func runCreate(
    _ name: String, of volume: BoundVolume
  ) throws(VolumeError) -> CopyFacts {
    _ = try command("create", parameters.create, name, volume: volume.path)
      .run(isCancelled: isCancelled)
    let path = place.path(of: name)
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw .command("create", reason: "has made nothing at \(path)")
    }
    return CopyFacts(.command, parameters.consistency ?? .none)
  }

  private func command(
    _ word: String, _ text: String?, _ name: String, volume: String
  ) -> UserCommand {
    var variables = variables
    variables["DROVER_VOLUME"] = volume
    variables["DROVER_COPY"] = place.path(of: name)
    variables["DROVER_COPY_NAME"] = name
    return UserCommand(
      word, text ?? "false", timeoutSeconds: CopyMaker.commandTimeoutSeconds, variables: variables)
  }

  // MARK: Removing

  /// Removes a copy with all that is in it; safe to repeat. `volume` is the path it was made of.
  func remove(
    _ name: String, by method: CopyParameters.Method?, volume: String
  ) throws(VolumeError) {
    let path = place.path(of: name)
    var status = stat()
    if method == .command {
      guard let delete = parameters.delete else {
        throw .command("delete", reason: "of \(path) is not known: its class is gone")
      }
      _ = try command("delete", delete, name, volume: volume).run { false }
      // A mount point may be left.
      rmdir(path)
      guard lstat(path, &status) != 0 else {
        throw .command("delete", reason: "has left \(path)")
      }
      return
    }
    try removeTree(name, in: place.path)
  }

  private func removeTree(_ name: String, in directory: String) throws(VolumeError) {
    let path = "\(directory)/\(name)"
    var status = stat()
    guard lstat(path, &status) == 0 else {
      if errno == ENOENT { return }
      throw .copy(path, .last("lstat", path))
    }
    if try removeSubvolume(name, in: directory) { return }
    do throws(TreeError) {
      _ = try TreeRemoval(root: try TreeRoot(path: directory), filter: FilterRules())
        .remove([], Array(name.utf8))
    } catch {
      throw .copyTree(volume: path, error)
    }
  }

  /// Whether it was a subvolume, and is gone. One that its user may not remove becomes writable.
  private func removeSubvolume(_ name: String, in directory: String) throws(VolumeError) -> Bool {
    let path = "\(directory)/\(name)"
    let raw = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard raw >= 0 else { return false }
    let descriptor = Descriptor(owning: raw)
    guard Subvolumes.isRoot(descriptor.raw) else { return false }
    let parent = Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard parent >= 0 else { throw .copy(directory, .last("open", directory)) }
    let place = Descriptor(owning: parent)
    if Subvolumes.remove(name, in: place.raw) == 0 { return true }
    guard errno == EPERM || errno == ENOTEMPTY || errno == EACCES else {
      throw .copy(path, .last("remove", path))
    }
    _ = Subvolumes.set(readOnly: false, descriptor.raw)
    return false
  }
}
