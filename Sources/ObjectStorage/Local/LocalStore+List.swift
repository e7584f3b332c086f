import Glibc
import Platform

/// An entry of a directory, named by its key.
private struct LocalEntry {
  var key: ObjectKey
  /// Nil for a directory.
  var info: ObjectInfo?

  /// Whether it stands before `other` in a listing by keys: a directory sorts as its name with a
  /// slash, because all the keys in it start so.
  func precedes(_ other: LocalEntry) -> Bool {
    if info != nil, other.info != nil { return key < other.key }
    return sortKey.lexicographicallyPrecedes(other.sortKey)
  }

  private var sortKey: [UInt8] {
    Array(key.text.utf8) + (info == nil ? [UInt8(ascii: "/")] : [])
  }
}

extension LocalStore {
  /// Walks the directories that the prefix needs. Memory holds the entries of the directories on
  /// the way to the current one, about 150 bytes each.
  ///
  /// Symbolic links, devices, names that are not UTF-8 and those of unfinished puts are passed
  /// over, and so are files that vanish meanwhile.
  package func list(
    _ prefix: ObjectPrefix, after: ObjectKey?,
    visit: (ObjectKey, ObjectInfo) throws(ObjectStoreError) -> Void
  ) throws(ObjectStoreError) {
    try list(folder: String(prefix.folder), prefix, after, visit)
  }

  private func list(
    folder: String, _ prefix: ObjectPrefix, _ after: ObjectKey?,
    _ visit: (ObjectKey, ObjectInfo) throws(ObjectStoreError) -> Void
  ) throws(ObjectStoreError) {
    for entry in try entries(of: folder, prefix) {
      if let info = entry.info {
        if let after, entry.key <= after { continue }
        try visit(entry.key, info)
      } else if LocalStore.mayHoldKeys(entry.key, after: after) {
        try list(folder: entry.key.text, prefix, after, visit)
      }
    }
  }

  /// Whether a folder can hold keys that come after `after`.
  private static func mayHoldKeys(_ folder: ObjectKey, after: ObjectKey?) -> Bool {
    guard let after else { return true }
    let start = folder.text + "/"
    return after.text.utf8.starts(with: start.utf8)
      || after.text.utf8.lexicographicallyPrecedes(start.utf8)
  }

  /// The entries of one directory that may stand under the prefix, in the order of their keys.
  private func entries(
    of folder: String, _ prefix: ObjectPrefix
  ) throws(ObjectStoreError) -> [LocalEntry] {
    let raw = openFolder(folder[...])
    guard raw >= 0 else {
      let error = PlatformError.last("openat2", folder)
      // A folder that is not there, or a file of that name, has no keys below it.
      if error.errno == ENOENT || error.errno == ENOTDIR { return [] }
      throw .from(error, .list, folder, description)
    }
    guard let stream = fdopendir(raw) else {
      let error = PlatformError.last("fdopendir", folder)
      close(raw)
      throw .from(error, .list, folder, description)
    }
    defer { closedir(stream) }
    let start = folder.isEmpty ? [] : Array(folder.utf8) + [UInt8(ascii: "/")]
    var found: [LocalEntry] = []
    while true {
      errno = 0
      guard let next = readdir(stream) else { break }
      let name = LocalStore.name(of: next)
      let path = start + UnsafeRawBufferPointer(start: name, count: strlen(name))
      guard let key = ObjectKey(bytes: path), prefix.matches(key), !TemporaryName.matches(path)
      else { continue }
      if let entry = try entry(key, raw, name, folder) { found.append(entry) }
    }
    let code = errno
    guard code == 0 else {
      throw .from(
        PlatformError("readdir", folder, errno: code), .list, folder, description)
    }
    return found.sorted { $0.precedes($1) }
  }

  private static func name(of entry: UnsafeMutablePointer<dirent>) -> UnsafePointer<CChar> {
    let offset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
    return (UnsafeRawPointer(entry) + offset).assumingMemoryBound(to: CChar.self)
  }

  /// Nil for what is neither a file nor a directory, and for what has vanished.
  private func entry(
    _ key: ObjectKey, _ folder: Int32, _ name: UnsafePointer<CChar>, _ path: String
  ) throws(ObjectStoreError) -> LocalEntry? {
    var status = Glibc.stat()
    guard fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
      let error = PlatformError.last("fstatat", key.description)
      if error.errno == ENOENT { return nil }
      throw .from(error, .list, path, description)
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return LocalEntry(key: key, info: LocalStore.info(status))
    case S_IFDIR: return LocalEntry(key: key, info: nil)
    default: return nil
    }
  }
}
