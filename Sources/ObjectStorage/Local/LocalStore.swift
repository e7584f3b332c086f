import Glibc
import Platform

/// Objects as files below a directory, in the layout and with the habits of restic's local
/// repositories, so that both may work in one at the same time.
///
/// The root may be a symbolic link. Below it everything is resolved by `openat2` with
/// RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS.
///
/// Names that end in `-tmp-` and digits are those of unfinished puts: no listing shows them, and no
/// key may have one.
package final class LocalStore: PartialPutStore, @unchecked Sendable {
  package let description: String
  package let connectionsMax: Int
  package let modes: LocalModes
  let root: SharedDescriptor
  private let hook: LocalStepHook?
  private let lock = Lock()
  private var isDead = false
  private var foldersDeletedFrom: Set<String> = []

  /// Opens the store at `path`, which has to be a directory.
  ///
  /// `connectionsMax` is how many calls at a time are useful, 2 as restic has it for local
  /// repositories; `hook` is for tests.
  /// - Throws: ``ObjectStoreError/cannotOpen(store:_:)``.
  package init(
    at path: String, connectionsMax: Int = 2, hook: LocalStepHook? = nil
  ) throws(ObjectStoreError) {
    let raw = LocalStore.openDirectory(path)
    guard raw >= 0 else { throw .cannotOpen(store: path, .last("open", path)) }
    root = SharedDescriptor(owning: raw)
    var config = Glibc.stat()
    let found = fstatat(raw, "config", &config, AT_SYMLINK_NOFOLLOW) == 0
    modes = found ? LocalModes(config: config.st_mode) : .owner
    description = path
    self.connectionsMax = connectionsMax
    self.hook = hook
  }

  /// Makes the directory `path` with its parents, unless it exists, and `folders` in it; opens it.
  ///
  /// - Throws: ``ObjectStoreError/notADirectory(store:)`` when something else has the name.
  package static func create(
    at path: String, folders: [ObjectKey] = [], connectionsMax: Int = 2
  ) throws(ObjectStoreError) -> LocalStore {
    try makeRoot(path)
    let store = try LocalStore(at: path, connectionsMax: connectionsMax)
    for folder in folders { _ = try store.makeFolder(folder.text[...], for: folder) }
    return store
  }

  private static func makeRoot(_ path: String) throws(ObjectStoreError) {
    if mkdir(path, LocalModes.owner.directory) == 0 { return try synchronizeParent(of: path) }
    let error = PlatformError.last("mkdir", path)
    switch error.errno {
    case EEXIST:
      var status = Glibc.stat()
      guard fstatat(AT_FDCWD, path, &status, 0) == 0, status.st_mode & S_IFMT == S_IFDIR else {
        throw .notADirectory(store: path)
      }
    case ENOENT:
      let parent = parent(of: path)
      guard parent != path, !path.isEmpty, parent != "." else {
        throw .cannotOpen(store: path, error)
      }
      try makeRoot(parent)
      guard mkdir(path, LocalModes.owner.directory) == 0 || errno == EEXIST else {
        throw .cannotOpen(store: path, .last("mkdir", path))
      }
      try synchronizeParent(of: path)
    default: throw .cannotOpen(store: path, error)
    }
  }

  private static func parent(of path: String) -> String {
    var rest = path[...]
    while rest.count > 1, rest.last == "/" { rest.removeLast() }
    while let last = rest.last, last != "/" { rest.removeLast() }
    while rest.count > 1, rest.last == "/" { rest.removeLast() }
    return rest.isEmpty ? "." : String(rest)
  }

  private static func synchronizeParent(of path: String) throws(ObjectStoreError) {
    let parent = parent(of: path)
    let raw = openDirectory(parent)
    guard raw >= 0 else { throw .cannotOpen(store: path, .last("open", parent)) }
    let descriptor = Descriptor(owning: raw)
    if let error = synchronizeFailure(descriptor.raw) { throw .cannotOpen(store: path, error) }
  }

  private static func openDirectory(_ path: String) -> Int32 {
    retryingOnInterrupt { Glibc.open(path, FileSystem.openDirectory | O_RDONLY | O_CLOEXEC) }
  }

  /// `fsync`; nil also where the file system has none for this kind of file.
  static func synchronizeFailure(_ descriptor: Int32) -> PlatformError? {
    guard retryingOnInterrupt({ fsync(descriptor) }) != 0 else { return nil }
    let error = PlatformError.last("fsync")
    return error.errno == EINVAL || error.errno == EOPNOTSUPP ? nil : error
  }

  // MARK: Reading

  package func get(
    _ key: ObjectKey, offset: Int64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(ObjectStoreError) -> Int {
    guard offset >= 0 else { throw .invalidRange(key: key.description, offset: offset) }
    // Without O_NONBLOCK a FIFO under the key would hang the call.
    let descriptor = try open(key, O_RDONLY | O_NONBLOCK, .get)
    let status = try status(descriptor.raw, key, .get)
    guard offset < status.st_size else { return 0 }
    do throws(PlatformError) {
      return try FileIO.read(descriptor.raw, into: buffer, at: offset)
    } catch {
      throw .from(error, .get, key.description, description)
    }
  }

  package func load(_ key: ObjectKey, sizeBytesMax: Int) throws(ObjectStoreError) -> [UInt8] {
    let descriptor = try open(key, O_RDONLY | O_NONBLOCK, .get)
    let sizeBytes = Int64(try status(descriptor.raw, key, .get).st_size)
    guard sizeBytes <= sizeBytesMax else {
      throw .tooLarge(key: key.description, sizeBytes: sizeBytes, sizeBytesMax: sizeBytesMax)
    }
    var failure: PlatformError?
    let raw = descriptor.raw
    let bytes = [UInt8](unsafeUninitializedCapacity: Int(sizeBytes)) { buffer, count in
      let room = UnsafeMutableRawBufferPointer(
        rebasing: UnsafeMutableRawBufferPointer(buffer)[..<Int(sizeBytes)])
      do throws(PlatformError) {
        count = try FileIO.read(raw, into: room, at: 0)
      } catch {
        failure = error
      }
    }
    if let failure { throw .from(failure, .get, key.description, description) }
    return bytes
  }

  package func stat(_ key: ObjectKey) throws(ObjectStoreError) -> ObjectInfo {
    let descriptor = try open(key, FileSystem.openPath, .stat)
    return LocalStore.info(try status(descriptor.raw, key, .stat))
  }

  /// The status of an open regular file. Directories are no objects, as in an object store.
  private func status(
    _ descriptor: Int32, _ key: ObjectKey, _ operation: StoreOperation
  ) throws(ObjectStoreError) -> stat {
    var status = Glibc.stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .from(.last("fstat"), operation, key.description, description)
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return status
    case S_IFDIR: throw .notFound(key: key.description, store: description)
    default: throw .notAnObject(key: key.description, store: description)
    }
  }

  static func info(_ status: stat) -> ObjectInfo {
    ObjectInfo(
      sizeBytes: Int64(status.st_size),
      modified: WallTime(
        seconds: Int64(status.st_mtim.tv_sec), nanoseconds: Int32(status.st_mtim.tv_nsec)))
  }

  private func open(
    _ key: ObjectKey, _ flags: Int32, _ operation: StoreOperation
  ) throws(ObjectStoreError) -> Descriptor {
    try refuseTemporary(key)
    let raw = FileSystem.openBeneath(root.raw, key.text, flags: flags)
    guard raw >= 0 else {
      throw .from(.last("openat2"), operation, key.description, description)
    }
    return Descriptor(owning: raw)
  }

  // MARK: Deleting

  /// `unlinkat`: the directory has to be writable, not the file.
  package func delete(_ key: ObjectKey) throws(ObjectStoreError) {
    try refuseTemporary(key)
    let raw = openFolder(key.folder)
    guard raw >= 0 else {
      let error = PlatformError.last("openat2", key.description)
      if error.errno == ENOENT || error.errno == ENOTDIR { return }
      throw .from(error, .delete, key.description, description)
    }
    let folder = Descriptor(owning: raw)
    let failure = try step(.unlink, .delete, key) {
      LocalStore.failure("unlinkat", unlinkat(folder.raw, String(key.name), 0))
    }
    // A directory is no object, so there is nothing to delete.
    if let failure, failure.errno != ENOENT, failure.errno != EISDIR {
      throw .from(failure, .delete, key.description, description)
    }
    lock.withLock { _ = foldersDeletedFrom.insert(String(key.folder)) }
  }

  /// Makes deletions durable: `fsync` of every directory that something was deleted from.
  package func synchronize() throws(ObjectStoreError) {
    let folders = lock.withLock {
      defer { foldersDeletedFrom = [] }
      return foldersDeletedFrom
    }
    for folder in folders {
      let raw = openFolder(folder[...])
      guard raw >= 0 else {
        let error = PlatformError.last("openat2", folder)
        guard error.errno == ENOENT else {
          throw .system(.synchronize, key: folder, store: description, error)
        }
        continue
      }
      let descriptor = Descriptor(owning: raw)
      if let error = LocalStore.synchronizeFailure(descriptor.raw) {
        throw .system(.synchronize, key: folder, store: description, error)
      }
    }
  }

  // MARK: Folders and steps

  /// Opens a directory below the root for reading; negative with `errno` when that fails. The
  /// caller closes it.
  func openFolder(_ folder: Substring) -> Int32 {
    let path = folder.isEmpty ? "." : String(folder)
    return FileSystem.openBeneath(root.raw, path, flags: FileSystem.openDirectory | O_RDONLY)
  }

  func refuseTemporary(_ key: ObjectKey) throws(ObjectStoreError) {
    if TemporaryName.matches(key.name.utf8) {
      throw .invalidKey(key.description, problem: "it looks like the name of an unfinished put")
    }
  }

  /// Runs one step; gives the error that it left, or that the hook put in its place.
  func step(
    _ step: LocalStep, _ operation: StoreOperation, _ key: ObjectKey,
    _ call: () -> PlatformError?
  ) throws(ObjectStoreError) -> PlatformError? {
    guard let hook else { return call() }
    if lock.withLock({ isDead }) { throw .killed(operation, key: key.description) }
    switch hook(step) {
    case .proceed: return call()
    case .fail(let errno): return PlatformError("injected", step.rawValue, errno: errno)
    case .die:
      lock.withLock { isDead = true }
      throw .killed(operation, key: key.description)
    }
  }

  /// The error of a call that has just returned `code`; nil when it succeeded.
  static func failure(_ call: StaticString, _ code: Int32) -> PlatformError? {
    code < 0 ? .last(call) : nil
  }
}
