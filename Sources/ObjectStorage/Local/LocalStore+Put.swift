import Glibc
import Platform

extension LocalStore {
  /// Objects from this size on are written past the page cache; for smaller ones the second open
  /// costs more than the page cache does.
  private static let directByteCountMin: Int64 = 1 << 20

  /// Writes a temporary file in the final directory, gives it its mode, `fsync`s it, renames it and
  /// `fsync`s the directory.
  package func put(_ key: ObjectKey, _ body: ObjectBody) throws(ObjectStoreError) {
    try refuseTemporary(key)
    let folder = try makeFolder(key.folder, for: key)
    let temporary = try createTemporary(key, in: folder.raw)
    do throws(ObjectStoreError) {
      try fill(temporary.descriptor, body, key)
      try check(.rename, key) {
        LocalStore.failure(
          "renameat", renameat(folder.raw, temporary.name, folder.raw, String(key.name)))
      }
    } catch {
      remove(temporary.name, in: folder.raw, key, after: error)
      throw error
    }
    try synchronize(folder.raw, .synchronizeDirectory, key)
  }

  package func leavePartialPut(_ key: ObjectKey, _ body: ObjectBody) throws(ObjectStoreError) {
    try refuseTemporary(key)
    let folder = try makeFolder(key.folder, for: key)
    let temporary = try createTemporary(key, in: folder.raw)
    try write(body, to: temporary.descriptor, key, byteCountMax: body.sizeBytes / 2)
  }

  /// Opens a folder; makes it with those it stands in when it is not there.
  func makeFolder(_ folder: Substring, for key: ObjectKey) throws(ObjectStoreError) -> Descriptor {
    let existing = openFolder(folder)
    if existing >= 0 { return Descriptor(owning: existing) }
    let error = PlatformError.last("openat2", String(folder))
    guard error.errno == ENOENT, !folder.isEmpty else {
      throw .from(error, .put, key.description, description)
    }
    let slash = folder.utf8.lastIndex(of: UInt8(ascii: "/"))
    let parent = try makeFolder(slash.map { folder[..<$0] } ?? "", for: key)
    let name = String(slash.map { folder[folder.utf8.index(after: $0)...] } ?? folder)
    let failure = try step(.makeDirectory, .put, key) {
      LocalStore.failure("mkdirat", mkdirat(parent.raw, name, modes.directory))
    }
    if let failure, failure.errno != EEXIST {
      throw .from(failure, .put, key.description, description)
    }
    // Also when another process has made it: its fsync may come later than our answer.
    try synchronize(parent.raw, .synchronizeDirectory, key)
    let made = openFolder(folder)
    guard made >= 0 else { throw .from(.last("openat2"), .put, key.description, description) }
    return Descriptor(owning: made)
  }

  private struct Temporary: ~Copyable {
    let name: String
    let file: Descriptor
    var descriptor: Int32 { file.raw }
  }

  private func createTemporary(
    _ key: ObjectKey, in folder: Int32
  ) throws(ObjectStoreError) -> Temporary {
    while true {
      let name = TemporaryName.make(for: key.name, random: SecureRandom.integer())
      var raw: Int32 = -1
      let failure = try step(.createTemporary, .put, key) {
        raw = retryingOnInterrupt {
          openat(
            folder, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | FileSystem.openNoFollow, 0o600)
        }
        return LocalStore.failure("openat", raw)
      }
      guard let failure else { return Temporary(name: name, file: Descriptor(owning: raw)) }
      guard failure.errno == EEXIST else {
        throw .from(failure, .put, key.description, description)
      }
    }
  }

  private func fill(
    _ descriptor: Int32, _ body: ObjectBody, _ key: ObjectKey
  ) throws(ObjectStoreError) {
    try write(body, to: descriptor, key, byteCountMax: .max)
    let failure = try step(.setMode, .put, key) {
      LocalStore.failure("fchmod", fchmod(descriptor, modes.file))
    }
    // Some network file systems keep no modes; the content counts.
    if let failure, failure.kind != .denied, failure.kind != .unsupported {
      throw .from(failure, .put, key.description, description)
    }
    try synchronize(descriptor, .synchronize, key)
  }

  private func write(
    _ body: ObjectBody, to descriptor: Int32, _ key: ObjectKey, byteCountMax: Int64
  ) throws(ObjectStoreError) {
    var offset: Int64 = 0
    let direct = Descriptor(
      owning: body.sizeBytes >= LocalStore.directByteCountMin
        ? FileIO.openDirectly(descriptor) : -1)
    let rawDirect = direct.raw
    try body.forEachPiece { (piece) throws(ObjectStoreError) in
      let count = Int(min(Int64(piece.count), byteCountMax - offset))
      guard count > 0 else { return }
      let part = UnsafeRawBufferPointer(rebasing: piece[..<count])
      try check(.write, key) {
        do throws(PlatformError) {
          try FileIO.writeDirectly(descriptor, direct: rawDirect, part, at: offset)
          return nil
        } catch {
          return error
        }
      }
      offset += Int64(count)
    }
  }

  private func synchronize(
    _ descriptor: Int32, _ kind: LocalStep, _ key: ObjectKey
  ) throws(ObjectStoreError) {
    try check(kind, key) { LocalStore.synchronizeFailure(descriptor) }
  }

  private func check(
    _ kind: LocalStep, _ key: ObjectKey, _ call: () -> PlatformError?
  ) throws(ObjectStoreError) {
    if let failure = try step(kind, .put, key, call) {
      throw .from(failure, .put, key.description, description)
    }
  }

  /// Removes the file of a put that failed. When that fails too it stays behind under a name that
  /// no listing shows; the put's own failure is what its caller is told.
  private func remove(
    _ name: String, in folder: Int32, _ key: ObjectKey, after error: ObjectStoreError
  ) {
    if case .killed = error { return }
    // The put's failure is thrown; this one changes nothing for the caller.
    _ = try? step(.removeTemporary, .put, key) {
      LocalStore.failure("unlinkat", unlinkat(folder, name, 0))
    }
  }
}
