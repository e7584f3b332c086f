import Cryptography
import Glibc
import ObjectStorage
package import Platform

/// Notes of uploads in parts, one file for each, so that a later run takes up what a killed one
/// has begun. Calls come from any thread, and from several processes.
///
/// Nothing is lost with a note but work: what it says is checked against the service and the
/// source, and one that is damaged is told and passed over.
package final class UploadJournal: Sendable {
  private static let noteSuffix = ".note"
  private static let lockSuffix = ".lock"
  private static let asideSuffix = ".new"

  /// Where the notes stand.
  package let directory: String
  private let warn: @Sendable (String) -> Void
  private let descriptor: SharedDescriptor
  private let state = State()

  private final class State: @unchecked Sendable {
    let lock = Lock()
    // Guarded by `lock`.
    var used: Set<String> = []
  }

  /// Opens the directory, and makes it with those above it (mode 0700). `warn` is told, on any
  /// thread, what a person should know.
  /// - Throws: what keeps it from being used: it belongs to another user, or it cannot be made.
  package init(
    directory: String, warn: @escaping @Sendable (String) -> Void = { _ in }
  ) throws(PlatformError) {
    self.directory = directory
    self.warn = warn
    try UploadJournal.make(directory)
    let raw = retryingOnInterrupt { open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard raw >= 0 else { throw .last("open", directory) }
    descriptor = SharedDescriptor(owning: raw)
    var status = stat()
    guard fstat(raw, &status) == 0 else { throw .last("fstat", directory) }
    // What others can write would make us give up uploads of their choice.
    guard status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
      throw PlatformError("open", directory, errno: EPERM)
    }
  }

  private static func make(_ path: String) throws(PlatformError) {
    var end = path.startIndex
    while end < path.endIndex {
      let next = path.index(after: end)
      end = path[next...].firstIndex(of: "/") ?? path.endIndex
      let part = String(path[..<end])
      guard mkdir(part, 0o700) != 0, errno != EEXIST else { continue }
      if end == path.endIndex { throw .last("mkdir", path) }
    }
  }

  /// Says something to people.
  func tell(_ text: String) { warn(text) }

  // MARK: Taking a note into use

  /// The place of one note while its upload is under way; nobody else has it meanwhile.
  final class Slot {
    let place: UploadPlace
    fileprivate let name: String
    private let journal: UploadJournal
    private let lock: FileLock

    fileprivate init(
      _ journal: UploadJournal, _ place: UploadPlace, _ name: String, _ lock: FileLock
    ) {
      (self.journal, self.place, self.name, self.lock) = (journal, place, name, lock)
    }

    // Whoever waits for the lock finds the file gone and makes another one.
    deinit { journal.unlink(name + UploadJournal.lockSuffix) }

    /// The note that stands there; nil when there is none, or none that can be read.
    func read() -> UploadNote? {
      journal.read(name, place: place)
    }

    /// Puts a note in place of the one before; it is on the disk then.
    func write(_ note: UploadNote) throws(MirrorError) {
      try journal.write(note, name)
    }

    func remove() {
      journal.unlink(name + UploadJournal.noteSuffix)
    }
  }

  /// Takes the note of a place into use; nil when somebody else has it.
  func claim(_ place: UploadPlace) throws(MirrorError) -> Slot? {
    let name: String
    do throws(CryptographyError) { name = try place.name } catch {
      throw .store(.cryptography(error))
    }
    state.lock.withLock { _ = state.used.insert(name) }
    return try claim(place, name)
  }

  private func claim(_ place: UploadPlace, _ name: String) throws(MirrorError) -> Slot? {
    try hold(name).map { Slot(self, place, name, $0) }
  }

  /// The locked file of a name; nil when somebody else has it.
  private func hold(_ name: String) throws(MirrorError) -> FileLock? {
    let lockName = name + UploadJournal.lockSuffix
    do throws(PlatformError) {
      return try FileLock.take(lockName, in: descriptor.raw, flags: O_CREAT)
    } catch {
      throw failure(error, lockName)
    }
  }

  // MARK: What earlier runs have left

  /// Visits the notes that nobody uses, and that no upload of this process has used. Each is held
  /// while it is visited; `wants` is asked first, without holding it.
  func forEachLeft(
    where wants: (UploadNote) -> Bool, _ visit: (UploadNote, Slot) throws(MirrorError) -> Void
  ) throws(MirrorError) {
    let left = try leftFiles()
    for name in left.notes.sorted() {
      guard !state.lock.withLock({ state.used.contains(name) }) else { continue }
      guard let note = read(name, place: nil), wants(note) else { continue }
      guard let slot = try claim(note.place, name) else { continue }
      // It may have come to its end before it was held.
      guard let held = slot.read() else { continue }
      try visit(held, slot)
    }
    // A process that is killed before its first note leaves a lock alone.
    for name in left.others.subtracting(left.notes) {
      guard let lock = try hold(name) else { continue }
      withExtendedLifetime(lock) {
        unlink(name + UploadJournal.asideSuffix)
        unlink(name + UploadJournal.lockSuffix)
      }
    }
  }

  private func leftFiles() throws(MirrorError) -> (notes: Set<String>, others: Set<String>) {
    guard let stream = opendir(directory) else { throw failure("opendir", "") }
    defer { closedir(stream) }
    var (notes, others) = (Set<String>(), Set<String>())
    while let entry = readdir(stream) {
      let file = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if file.hasSuffix(UploadJournal.noteSuffix) {
        notes.insert(String(file.dropLast(UploadJournal.noteSuffix.count)))
      }
      for suffix in [UploadJournal.lockSuffix, UploadJournal.asideSuffix]
      where file.hasSuffix(suffix) { others.insert(String(file.dropLast(suffix.count))) }
    }
    return (notes, others)
  }

  // MARK: Files

  /// A note by its name. Without a `place` the name has to be that of the place it tells.
  private func read(_ name: String, place: UploadPlace?) -> UploadNote? {
    let file = name + UploadJournal.noteSuffix
    let raw = retryingOnInterrupt {
      openat(descriptor.raw, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
    }
    guard raw >= 0 else {
      if errno != ENOENT { passOver(file, PlatformError.reason(of: errno)) }
      return nil
    }
    let note = Descriptor(owning: raw)
    var status = stat()
    guard fstat(raw, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      passOver(file, "it is no file")
      return nil
    }
    let bytes: [UInt8]
    do throws(PlatformError) {
      bytes = try SmallFile.read(
        descriptor: note.raw, subject: file, sizeBytesMax: UploadNote.sizeBytesMax)
    } catch {
      passOver(file, error.description)
      return nil
    }
    do throws(JSONError) {
      let note = try UploadNote(bytes)
      // A name that cannot be made is not that of the file either.
      let isOfName = (try? note.place.name) == name
      guard isOfName, place == nil || note.place == place else {
        passOver(file, "it is that of another object")
        return nil
      }
      return note
    } catch {
      passOver(file, error.reason)
      return nil
    }
  }

  private func passOver(_ file: String, _ problem: String) {
    warn("the note \(printable("\(directory)/\(file)".utf8)) of an upload is ignored: \(problem)")
  }

  private func write(_ note: UploadNote, _ name: String) throws(MirrorError) {
    let bytes: [UInt8]
    do throws(CryptographyError) { bytes = try note.encoded() } catch {
      throw .store(.cryptography(error))
    }
    let (aside, file) = (name + UploadJournal.asideSuffix, name + UploadJournal.noteSuffix)
    // Left by a process that was killed; whoever has the lock is alone with it.
    unlink(aside)
    let raw = retryingOnInterrupt {
      openat(
        descriptor.raw, aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    }
    guard raw >= 0 else { throw failure("openat", aside) }
    let new = Descriptor(owning: raw)
    do throws(PlatformError) {
      try FileIO.write(new.raw, bytes, at: 0)
    } catch {
      throw .local(error, path: Array(directory.utf8))
    }
    guard retryingOnInterrupt({ fsync(new.raw) }) == 0 else { throw failure("fsync", aside) }
    guard renameat(descriptor.raw, aside, descriptor.raw, file) == 0 else {
      throw failure("renameat", file)
    }
    guard retryingOnInterrupt({ fsync(descriptor.raw) }) == 0 else { throw failure("fsync", "") }
  }

  private func unlink(_ file: String) {
    // One that is gone already is as good.
    _ = unlinkat(descriptor.raw, file, 0)
  }

  private func failure(_ call: StaticString, _ file: String) -> MirrorError {
    failure(.last(call), file)
  }

  private func failure(_ error: PlatformError, _ file: String) -> MirrorError {
    .local(error, path: Array("\(directory)/\(file)".utf8))
  }
}
