import FileTree
import Glibc
import Platform

/// What a record asks for, in the terms of this machine.
struct WantedAccess: Sendable, Equatable {
  /// Nil when the name is not known here, or not said; what is not said stays as it is.
  var userID: UInt32?
  var groupID: UInt32?
  var lacksUser = false
  var lacksGroup = false
  /// Permission bits with setuid, setgid and sticky.
  var mode: UInt16
  /// The attribute of the list; empty when the mode says it all.
  var access: [UInt8] = []
  /// The attribute of a directory's list for what is made in it; empty for none.
  var inherited: [UInt8] = []
  /// A list names somebody who is not known here, so that it is not set.
  var lacksNames = false
  var modified: WallTime?

  init(_ record: AccessRecord, isDirectory: Bool, _ accounts: AccountNumbers) {
    userID = record.owner.flatMap(accounts.user)
    groupID = record.group.flatMap(accounts.group)
    lacksUser = record.owner != nil && userID == nil
    lacksGroup = record.group != nil && groupID == nil
    var bits = UInt16(record.flags ?? 0) << 9
    let mask = record.access.first { $0.kind == .mask }?.permissions
    for entry in record.access {
      switch entry.kind {
      case .owner: bits |= UInt16(entry.permissions) << 6
      case .owningGroup: bits |= UInt16(mask ?? entry.permissions) << 3
      case .other: bits |= UInt16(entry.permissions)
      case .user, .group, .mask: break
      }
    }
    mode = bits
    modified = record.note?.modified
    func attribute(_ entries: [AccessEntry]) -> [UInt8]? {
      AccessAttribute.attribute(of: entries) { kind, name in
        kind == .user ? accounts.user(name) : accounts.group(name)
      }
    }
    if record.access.count > 3 {
      if let value = attribute(record.access) { access = value } else { lacksNames = true }
    }
    if isDirectory, !record.inherited.isEmpty {
      if let value = attribute(record.inherited) { inherited = value } else { lacksNames = true }
    }
  }

  /// Whether something of the volume is like this already.
  func isMet(by item: VolumeItem) -> Bool {
    let entry = item.entry
    guard !lacksUser, !lacksGroup, !lacksNames else { return false }
    return entry.userID == userID ?? entry.userID && entry.groupID == groupID ?? entry.groupID
      && entry.mode == mode
      && (modified == nil || modified == item.modified)
      && item.attribute(PermissionSetter.accessName) ?? [] == access
      && (entry.kind != .directory
        || item.attribute(PermissionSetter.inheritedName) ?? [] == inherited)
  }
}

/// Gives files and directories below a root their owners, modes, lists and times. No link is
/// followed, whatever stands in the volume. Confined to one thread.
final class PermissionSetter {
  static let accessName: StaticString = "system.posix_acl_access"
  static let inheritedName: StaticString = "system.posix_acl_default"

  private let directories: DirectoryCache
  private let root: TreeRoot
  private let onProblem: (_ path: [UInt8], _ message: String) -> Void
  /// Entries whose owner or group could not be set; they are not told one by one.
  private(set) var ownerProblemCount: Int64 = 0

  init(root: TreeRoot, onProblem: @escaping (_ path: [UInt8], _ message: String) -> Void) {
    self.root = root
    self.onProblem = onProblem
    directories = DirectoryCache(root: root)
  }

  private func problem(_ path: [UInt8], _ call: StaticString) {
    onProblem(path, "\(PlatformError.reason(of: errno)) (\(call))")
  }

  /// The parent's descriptor and the name in it; `.` for the root.
  func place(of path: [UInt8]) throws(TreeError) -> (parent: Int32, name: [UInt8]) {
    guard !path.isEmpty else { return (root.descriptor, [0x2e]) }
    let (directory, name) = path.splitLast()
    return (try directories.descriptor(of: directory), name)
  }

  /// Applies what is wanted to the file or directory of a path; tells what could not be done.
  func apply(_ wanted: WantedAccess, to path: [UInt8], isDirectory: Bool) {
    do throws(TreeError) {
      let (parent, name) = try place(of: path)
      try name.withCString { (name) throws(TreeError) in
        try apply(wanted, path, parent, name, isDirectory)
      }
    } catch {
      onProblem(path, error.message)
    }
  }

  private func apply(
    _ wanted: WantedAccess, _ path: [UInt8], _ parent: Int32, _ name: UnsafePointer<CChar>,
    _ isDirectory: Bool
  ) throws(TreeError) {
    let flags = FileSystem.openPath | O_NOFOLLOW | O_CLOEXEC
    let raw = retryingOnInterrupt { openat(parent, name, flags) }
    guard raw >= 0 else { throw .system(.last("openat"), path: path) }
    let pinned = Descriptor(owning: raw)
    var status = stat()
    guard fstat(pinned.raw, &status) == 0 else { throw .system(.last("fstat"), path: path) }
    guard status.st_mode & S_IFMT == (isDirectory ? S_IFDIR : S_IFREG) else {
      return onProblem(path, "it is no \(isDirectory ? "directory" : "file")")
    }
    let mode = setOwner(wanted, path, pinned.raw, status)
    // A change of owner takes the special bits away.
    setMode(mode, path, pinned.raw)
    setList(PermissionSetter.accessName, wanted.access, path, parent, name)
    if isDirectory { setList(PermissionSetter.inheritedName, wanted.inherited, path, parent, name) }
    // A list that is set takes setgid away from who is no member of the group.
    if fstat(pinned.raw, &status) == 0, UInt16(status.st_mode & 0o7777) != mode {
      setMode(mode, path, pinned.raw)
      if fstat(pinned.raw, &status) == 0, UInt16(status.st_mode & 0o7777) != mode {
        onProblem(path, "its mode is \(String(status.st_mode & 0o7777, radix: 8)) all the same")
      }
    }
    if wanted.lacksNames {
      onProblem(path, "its list names a user or a group that is not known here")
    }
    if let time = wanted.modified,
      FileIO.setTime(
        parent, name, seconds: time.seconds, nanoseconds: UInt32(time.nanoseconds)) != 0
    {
      problem(path, "utimensat")
    }
  }

  /// Gives the mode that is to be set: without the right owner nobody gets the owner's rights.
  private func setOwner(
    _ wanted: WantedAccess, _ path: [UInt8], _ raw: Int32, _ status: stat
  ) -> UInt16 {
    let hasUser = !wanted.lacksUser && wanted.userID ?? status.st_uid == status.st_uid
    let hasGroup = !wanted.lacksGroup && wanted.groupID ?? status.st_gid == status.st_gid
    if hasUser, hasGroup { return wanted.mode }
    func change(_ user: UInt32?, _ group: UInt32?) -> Bool {
      fchownat(raw, "", user ?? .max, group ?? .max, FileSystem.atEmptyPath) == 0
    }
    if change(wanted.userID, wanted.groupID) {
      if wanted.lacksUser || wanted.lacksGroup { ownerProblemCount += 1 }
      return wanted.mode & ~(wanted.lacksUser ? 0o4000 : 0) & ~(wanted.lacksGroup ? 0o2000 : 0)
    }
    if errno != EPERM { problem(path, "fchownat") }
    ownerProblemCount += 1
    // Of groups, those that the user is a member of can be set.
    let takesGroup = hasGroup || !wanted.lacksGroup && change(nil, wanted.groupID)
    return wanted.mode & ~(hasUser ? 0 : 0o4000) & ~(takesGroup ? 0 : 0o2000)
  }

  private func setMode(_ mode: UInt16, _ path: [UInt8], _ raw: Int32) {
    if chmod("/proc/self/fd/\(raw)", mode_t(mode)) != 0 { problem(path, "chmod") }
  }

  private func setList(
    _ attribute: StaticString, _ value: [UInt8], _ path: [UInt8], _ parent: Int32,
    _ name: UnsafePointer<CChar>
  ) {
    var full = Array("/proc/self/fd/\(parent)/".utf8CString.dropLast())
    full.append(contentsOf: UnsafeBufferPointer(start: name, count: strlen(name) + 1))
    let code = full.withUnsafeBufferPointer { full -> Int32 in
      guard let full = full.baseAddress else { return 0 }
      let label = UnsafeRawPointer(attribute.utf8Start).assumingMemoryBound(to: CChar.self)
      guard value.isEmpty else {
        return value.withUnsafeBytes { ExtendedAttributes.set(full, label, $0) }
      }
      let removed = ExtendedAttributes.remove(full, label)
      // Where there are no lists, none has to go.
      return removed != 0 && (errno == ENODATA || errno == EOPNOTSUPP) ? 0 : removed
    }
    if code != 0 { onProblem(path, "\(attribute): \(PlatformError.reason(of: errno))") }
  }

  // MARK: Making and removing

  /// Lets the owner of a directory change what is in it.
  func open(_ path: [UInt8], _ mode: UInt16) throws(TreeError) {
    let (parent, name) = try place(of: path)
    let flags = FileSystem.openPath | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
    let raw = name.withCString { name in retryingOnInterrupt { openat(parent, name, flags) } }
    guard raw >= 0 else { throw .system(.last("openat"), path: path) }
    let pinned = Descriptor(owning: raw)
    // When that is refused, writing fails and says so.
    _ = chmod("/proc/self/fd/\(pinned.raw)", mode_t(mode | 0o700))
  }

  /// Makes a directory that only its owner can enter until it gets its mode.
  func makeDirectory(_ path: [UInt8]) throws(TreeError) {
    let (parent, name) = try place(of: path)
    let made = name.withCString { mkdirat(parent, $0, 0o700) }
    guard made == 0 else { throw .system(.last("mkdirat"), path: path) }
  }

  /// Makes a link in place of whatever but a directory has its name, or only gives it owner and
  /// time when it leads to the right place.
  func makeLink(_ link: AccessLink, at path: [UInt8], isThere: Bool) throws(TreeError) {
    let (parent, name) = try place(of: path)
    if !isThere {
      let temporary = TemporaryName.make(SecureRandom.integer())
      let made = link.target.withCString { symlinkat($0, parent, temporary) }
      guard made == 0 else { throw .system(.last("symlinkat"), path: path) }
      guard name.withCString({ renameat(parent, temporary, parent, $0) }) == 0 else {
        let error = PlatformError.last("renameat")
        _ = unlinkat(parent, temporary, 0)
        throw .system(error, path: path)
      }
    }
    name.withCString { name in
      if fchownat(parent, name, link.userID, link.groupID, AT_SYMLINK_NOFOLLOW) != 0 {
        ownerProblemCount += 1
        _ = fchownat(parent, name, .max, link.groupID, AT_SYMLINK_NOFOLLOW)
      }
      // A file system without times of links has none to lose.
      _ = FileIO.setTime(
        parent, name, seconds: link.modified.seconds,
        nanoseconds: UInt32(link.modified.nanoseconds))
    }
  }

  /// Removes what is no directory; one that is gone is no error.
  func remove(_ path: [UInt8]) throws(TreeError) {
    let (parent, name) = try place(of: path)
    guard name.withCString({ unlinkat(parent, $0, 0) }) != 0, errno != ENOENT else { return }
    throw .system(.last("unlinkat"), path: path)
  }

  /// Removes a directory if nothing is in it; false when it stays.
  func removeDirectoryIfEmpty(_ path: [UInt8]) throws(TreeError) -> Bool {
    let (parent, name) = try place(of: path)
    let code = name.withCString { unlinkat(parent, $0, FileSystem.atRemoveDirectory) }
    if code == 0 { return true }
    switch errno {
    case ENOTEMPTY, EEXIST, ENOENT: return false
    default: throw .system(.last("unlinkat"), path: path)
    }
  }
}
