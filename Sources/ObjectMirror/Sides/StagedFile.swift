import FileTree
import Glibc
import ObjectStorage
import Platform

/// A file that is being written under a name of its own, and takes its place when it is whole.
/// A ``Leftover`` when the process is killed; it is locked as long as it is written.
/// Confined to one thread; gone when it is let go of before.
final class StagedFile {
  private let side: LocalSide
  private let path: [UInt8]
  private let directory: SharedDescriptor
  private let name: [UInt8]
  private var temporary: [UInt8] = []
  private let descriptor: SharedDescriptor
  private var isStanding = true
  private(set) var sizeBytes: Int64 = 0

  /// Makes the directories on the way to `path`.
  init(_ side: LocalSide, _ path: [UInt8]) throws(MirrorError) {
    self.side = side
    self.path = path
    let (parent, name) = path.splitLast()
    self.name = name
    directory = try side.directory(parent, makes: true)
    var file: (name: [UInt8], descriptor: SharedDescriptor)
    repeat {
      file = try StagedFile.create(in: directory.raw, side, path)
      // Somebody may have taken it for a leftover before it was held.
    } while !Leftover.hold(file.descriptor.raw)
    (temporary, descriptor) = file
  }

  private static func create(
    in folder: Int32, _ side: LocalSide, _ path: [UInt8]
  ) throws(MirrorError) -> (name: [UInt8], descriptor: SharedDescriptor) {
    let temporary = side.staging.next()
    let mode: mode_t = side.isPrivate ? 0o600 : 0o666
    let raw = temporary.withCString { name in
      retryingOnInterrupt {
        openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
      }
    }
    guard raw >= 0 else { throw .local(.last("openat"), path: path) }
    return (temporary, SharedDescriptor(owning: raw))
  }

  deinit {
    guard isStanding else { return }
    // What is left behind is known by its name and removed by a later run.
    _ = temporary.withCString { unlinkat(directory.raw, $0, 0) }
  }

  /// Appends to the file.
  func write(_ bytes: UnsafeRawBufferPointer) throws(MirrorError) {
    do throws(PlatformError) {
      try FileIO.write(descriptor.raw, bytes, at: sizeBytes)
    } catch {
      throw .local(error, path: path)
    }
    sizeBytes += Int64(bytes.count)
  }

  /// Gives the file its time, and its place. A file that it replaces hands its mode and its owner
  /// on, as far as that is allowed; `metadata` counts more. Gives what the file is then, and the
  /// names of what it could not be given.
  @discardableResult
  func finish(
    modified: WallTime?, metadata: FileMetadata? = nil
  ) throws(MirrorError) -> (file: FileIdentity, missing: [String]) {
    var status = stat()
    let folder = directory.raw
    let isThere = name.withCString { fstatat(folder, $0, &status, AT_SYMLINK_NOFOLLOW) } == 0
    if isThere, status.st_mode & S_IFMT == S_IFREG {
      // Without the right to it the new file belongs to whoever writes it.
      _ = fchown(descriptor.raw, status.st_uid, status.st_gid)
      guard fchmod(descriptor.raw, status.st_mode & 0o777) == 0 else {
        throw .local(.last("fchmod"), path: path)
      }
    }
    let missing = try metadata?.apply(to: descriptor.raw, path) ?? []
    if let modified { try setTimes(modified, accessed: metadata?.accessed) }
    let renamed = temporary.withCString { old in
      name.withCString { renameat(folder, old, folder, $0) }
    }
    guard renamed == 0 else { throw .local(.last("renameat"), path: path) }
    isStanding = false
    guard fstat(descriptor.raw, &status) == 0 else { throw .local(.last("fstat"), path: path) }
    return (FileIdentity(status), missing)
  }

  private func setTimes(_ modified: WallTime, accessed: WallTime?) throws(MirrorError) {
    let result =
      accessed.map { FileIO.setTimes(descriptor.raw, accessed: $0, modified: modified) }
      ?? FileIO.setTime(
        descriptor.raw, seconds: modified.seconds, nanoseconds: UInt32(modified.nanoseconds))
    guard result == 0 else { throw .local(.last("futimens"), path: path) }
  }
}

extension LocalSide {
  /// Makes a link in place of whatever file or link has its name.
  func makeLink(_ path: [UInt8], target: [UInt8], modified: WallTime?) throws(MirrorError) {
    guard !target.isEmpty, target.count < Int(PATH_MAX), !target.contains(0) else {
      throw .damaged(path: path, problem: "this cannot be where a link leads to")
    }
    let (parent, name) = path.splitLast()
    let directory = try directory(parent, makes: true)
    let temporary = staging.next()
    let made = target.withCString { target in
      temporary.withCString { symlinkat(target, directory.raw, $0) }
    }
    guard made == 0 else { throw .local(.last("symlinkat"), path: path) }
    if let modified {
      // A file system without times of links has none to lose.
      _ = temporary.withCString {
        FileIO.setTime(
          directory.raw, $0, seconds: modified.seconds,
          nanoseconds: UInt32(modified.nanoseconds))
      }
    }
    let renamed = temporary.withCString { old in
      name.withCString { renameat(directory.raw, old, directory.raw, $0) }
    }
    guard renamed == 0 else {
      let failure = PlatformError.last("renameat")
      _ = temporary.withCString { unlinkat(directory.raw, $0, 0) }
      throw .local(failure, path: path)
    }
  }
}
