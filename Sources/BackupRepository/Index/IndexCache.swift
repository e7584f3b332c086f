import Glibc
import Platform

/// The directory of segments of one repository: `<cache>/<repository>/drover-index-1/`, beside what
/// restic keeps there.
///
/// Segments have random names, are written aside and renamed, and never change. There is no list of
/// them and no lock: what a segment may serve follows from the index files it names and from those
/// the repository has. Processes that write at the same time at worst do work twice.
struct IndexCache {
  /// Age after which a file that serves nothing is removed; younger ones may be another's work.
  private static let idleSecondsMax: Int64 = 24 * 3600
  /// Names looked at in the directory; a few dozen are usual.
  private static let nameCountMax = 10_000
  private static let suffix = ".segment"
  private static let temporarySuffix = ".new"

  let directory: String
  private let key: PageKey

  /// Makes the directory when it is missing.
  /// - Throws: `IndexError.cache`.
  init(cacheDirectory: String, repository: [UInt8], key: PageKey) throws(IndexError) {
    self.key = key
    let parent = "\(cacheDirectory)/\(hex(repository))"
    directory = "\(parent)/drover-index-\(SegmentHeader.version)"
    for path in [cacheDirectory, parent, directory] {
      guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .cache(.last("mkdir", path)) }
    }
  }

  private func path(_ name: String) -> String { "\(directory)/\(name)" }

  // MARK: Reading

  /// Opens all sound segments; what is damaged is removed.
  func open() -> [Segment] {
    var segments: [Segment] = []
    for name in names() where name.hasSuffix(IndexCache.suffix) {
      do throws(IndexError) {
        segments.append(try openSegment(path(name)))
      } catch .cacheDamaged {
        unlink(path(name))
      } catch {
        // Not there any more, or not readable: the index files it covers are read instead.
        continue
      }
    }
    return segments
  }

  private func openSegment(_ path: String) throws(IndexError) -> Segment {
    let flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK
    let raw = retryingOnInterrupt { Glibc.open(path, flags) }
    guard raw >= 0 else { throw .cache(.last("open", path)) }
    let descriptor = SharedDescriptor(owning: raw)
    var status = stat()
    guard fstat(raw, &status) == 0 else { throw .cache(.last("fstat", path)) }
    // A file that others can write could be cut short while it is mapped.
    guard status.st_mode & S_IFMT == S_IFREG, status.st_mode & 0o022 == 0,
      status.st_uid == geteuid()
    else { throw .cache(PlatformError("open", path, errno: EPERM)) }
    return try Segment(descriptor, path: path, key: key)
  }

  private func names() -> [String] {
    guard let stream = opendir(directory) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while names.count < IndexCache.nameCountMax, let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      names.append(name)
    }
    return names
  }

  // MARK: Writing

  /// Builds a segment aside, makes it durable, gives it its name and opens it.
  func add(
    nonce: [UInt8], _ build: (Int32) throws(IndexError) -> Void
  ) throws(IndexError) -> Segment {
    let final = path(hex(nonce) + IndexCache.suffix)
    let aside = path(hex(nonce) + IndexCache.temporarySuffix)
    let raw = retryingOnInterrupt {
      Glibc.open(aside, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    }
    guard raw >= 0 else { throw .cache(.last("open", aside)) }
    let descriptor = SharedDescriptor(owning: raw)
    do throws(IndexError) {
      try build(raw)
      do { try FileIO.synchronizeData(raw) } catch { throw .cache(error) }
      guard rename(aside, final) == 0 else { throw .cache(.last("rename", final)) }
    } catch {
      unlink(aside)
      throw error
    }
    synchronizeDirectory()
    return try Segment(descriptor, path: final, key: key)
  }

  /// A name that is lost in a crash costs work and nothing else, so a failure is none.
  private func synchronizeDirectory() {
    let raw = Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard raw >= 0 else { return }
    fsync(raw)
    close(raw)
  }

  /// Removes the file of a segment; who has it open keeps it.
  func remove(_ segment: Segment) {
    if let path = segment.path { unlink(path) }
  }

  /// Removes segments that serve nothing and what crashes have left, once they are a day old.
  func sweep(idle: [Segment], now: WallTime) {
    let idlePaths = Set(idle.compactMap(\.path))
    for name in names() {
      let path = path(name)
      guard name.hasSuffix(IndexCache.temporarySuffix) || idlePaths.contains(path) else { continue }
      var status = stat()
      guard lstat(path, &status) == 0,
        Int64(status.st_mtim.tv_sec) < now.seconds &- IndexCache.idleSecondsMax
      else { continue }
      unlink(path)
    }
  }
}
