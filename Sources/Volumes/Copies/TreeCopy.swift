import FileTree
import Glibc
import Platform

/// Copies a tree with all that belongs to its entries, into a directory that is not there yet.
///
/// A copy lacks nothing, or it fails: what is not in it would be deleted where it is sent to. Only
/// what is removed meanwhile is left out.
struct TreeCopy {
  /// What is done with the bytes of a file.
  enum Sharing { case extents, none }

  struct Report: Sendable {
    var fileCount = 0
    /// Files whose bytes were copied though they were to be shared.
    var unsharedCount = 0
  }

  private static let copySizeBytes = 1 << 20

  let source: String
  let target: String
  let sharing: Sharing
  let isCancelled: @Sendable () -> Bool

  init(
    _ source: String, to target: String, _ sharing: Sharing,
    isCancelled: @escaping @Sendable () -> Bool
  ) {
    self.source = source
    self.target = target
    self.sharing = sharing
    self.isCancelled = isCancelled
  }

  /// Runs to the end on a thread of its own, which the walk wants.
  func run() throws(VolumeError) -> Report {
    let work = Thread("copy") { [self] () -> Result<Report, VolumeError> in
      Result { () throws(VolumeError) in try copy() }
    }
    do {
      return try work.join().get()
    } catch let error as VolumeError {
      throw error
    } catch {
      preconditionFailure("a copy throws errors of volumes only")
    }
  }

  private func copy() throws(VolumeError) -> Report {
    guard mkdir(target, 0o700) == 0 else { throw .copy(target, .last("mkdir", target)) }
    do throws(TreeError) {
      let work = try TreeCopyWork(self)
      return try work.run()
    } catch {
      if isCancelled() { throw .cancelled }
      throw .copyTree(volume: source, error)
    }
  }

  /// Copies the bytes of one open file to another, around its holes, from its start to the end
  /// that it has now; true when the target shares the source's extents.
  static func copyFile(
    _ source: Int32, to target: Int32, _ sharing: Sharing,
    isCancelled: () -> Bool
  ) throws(PlatformError) -> Bool {
    if sharing == .extents, FileSystem.clone(source, to: target) { return true }
    var status = stat()
    guard fstat(source, &status) == 0 else { throw .last("fstat") }
    let size =
      FileSystem.blockDeviceSize(source) ?? Int64(status.st_size)
    let file = SparseFile(descriptor: source)
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: copySizeBytes, alignment: 4096)
    defer { buffer.deallocate() }
    var offset: Int64 = 0
    while offset < size, !isCancelled(), let run = file.data(from: offset) {
      offset = run.lowerBound
      let end = min(run.upperBound, size)
      while offset < end, !isCancelled() {
        let piece = UnsafeMutableRawBufferPointer(
          rebasing: buffer[..<Int(min(Int64(buffer.count), end - offset))])
        let count = try FileIO.read(source, into: piece, at: offset)
        if count == 0 { break }
        try FileIO.write(target, UnsafeRawBufferPointer(rebasing: piece[..<count]), at: offset)
        offset += Int64(count)
      }
      if offset < end { break }
    }
    if isCancelled() { throw PlatformError("copy", "", errno: ECANCELED) }
    try FileIO.truncate(target, to: size)
    return false
  }
}

/// A copy under way; confined to its thread.
private final class TreeCopyWork {
  private let copy: TreeCopy
  private let sourceDirectories: DirectoryCache
  private let writer: TreeWriter
  private let walk: TreeWalk
  private let findings: Findings
  /// Directories that get their attributes when all that lies in them is there.
  private var open: [DirectoryListing] = []
  private var report = TreeCopy.Report()

  /// The first thing that did not go as it should.
  private final class Findings {
    var error: TreeError?

    func note(_ path: [UInt8], _ message: String) {
      if error == nil { error = .malformed("\(printable(path)): \(message)") }
    }
  }

  init(_ copy: TreeCopy) throws(TreeError) {
    self.copy = copy
    let root = try TreeRoot(path: copy.source)
    let findings = Findings()
    self.findings = findings
    sourceDirectories = DirectoryCache(root: root)
    writer = TreeWriter(root: try TreeRoot(path: copy.target)) { findings.note($0, $1) }
    var options = WalkOptions()
    options.oneFileSystem = true
    do {
      options.filter = FilterRules(rules: [
        try FilterRule(.exclude, CopyPlace.name + "/")
      ])
    } catch {
      preconditionFailure("the name of a place is a pattern")
    }
    walk = TreeWalk(root: root, options: options) { error in
      // A directory that was removed meanwhile.
      if case .system(let cause, _) = error, cause.errno == ENOENT { return }
      if findings.error == nil { findings.error = error }
    }
  }

  func run() throws(TreeError) -> TreeCopy.Report {
    while let listing = try walk.next() {
      try check(listing.path)
      try close(above: listing.path)
      for entry in listing.entries where !entry.isLeftover {
        try check(listing.path)
        try make(entry, in: listing)
      }
      // What was removed meanwhile stays an empty directory.
      if !listing.isIncomplete { open.append(listing.ownEntryListing()) }
    }
    try close(above: nil)
    if writer.attributes.ownerProblemCount > 0, findings.error == nil {
      throw .malformed("the owner of \(writer.attributes.ownerProblemCount) files cannot be set")
    }
    try check([])
    return report
  }

  private func check(_ path: [UInt8]) throws(TreeError) {
    if let error = findings.error { throw error }
    if copy.isCancelled() { throw .changed(path: path) }
  }

  /// Sets the attributes of directories in which nothing more is made; of all with nil.
  private func close(above path: [UInt8]?) throws(TreeError) {
    while let last = open.last {
      if let path, last.path.isEmpty || path.starts(with: last.path + [0x2f]) { return }
      open.removeLast()
      let directory = try writer.root.openDirectory(last.path)
      let entry = last.entries[0]
      writer.attributes.apply(entry, in: last, to: directory.raw) { last.path }
    }
  }

  private func make(_ entry: Entry, in listing: DirectoryListing) throws(TreeError) {
    func path() -> [UInt8] { listing.path(of: entry) }
    if entry.linkPath.count > 0 {
      do throws(TreeError) {
        return try writer.makeLink(
          to: Array(listing.bytes(entry.linkPath)), listing.path,
          Array(listing.name(of: entry)))
      } catch {
        // Its first name was removed before it was copied.
        guard case .system(let cause, _) = error, cause.errno == ENOENT else { throw error }
      }
    }
    switch entry.kind {
    case .directory: try writer.makeDirectory(listing.path, listing.cName(of: entry), path: path)
    case .regular: try makeFile(entry, in: listing, path: path)
    default: try writer.makeSpecial(entry, in: listing)
    }
  }

  private func makeFile(
    _ entry: Entry, in listing: DirectoryListing, path: () -> [UInt8]
  ) throws(TreeError) {
    let name = listing.cName(of: entry)
    guard let source = try openSource(name, in: listing, path: path) else { return }
    let parent = try writer.directories.descriptor(of: listing.path)
    let made = retryingOnInterrupt {
      openat(parent, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    }
    guard made >= 0 else { throw .system(.last("openat"), path: path()) }
    let target = Descriptor(owning: made)
    let isShared: Bool
    do throws(PlatformError) {
      isShared = try TreeCopy.copyFile(
        source.raw, to: target.raw, copy.sharing, isCancelled: copy.isCancelled)
    } catch {
      throw .system(error, path: path())
    }
    report.fileCount += 1
    if !isShared { report.unsharedCount += 1 }
    writer.attributes.apply(entry, in: listing, to: target.raw, path: path)
  }

  /// The file to copy; nil when it was removed, or became a link, since it was listed.
  private func openSource(
    _ name: UnsafePointer<CChar>, in listing: DirectoryListing, path: () -> [UInt8]
  ) throws(TreeError) -> SharedDescriptor? {
    let directory: Int32
    do throws(TreeError) {
      directory = try sourceDirectories.descriptor(of: listing.path)
    } catch {
      if case .system(let cause, _) = error, cause.errno == ENOENT { return nil }
      throw error
    }
    let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
    let raw = retryingOnInterrupt { openat(directory, name, flags) }
    if raw < 0, errno == ENOENT || errno == ELOOP { return nil }
    guard raw >= 0 else { throw .system(.last("openat"), path: path()) }
    return SharedDescriptor(owning: raw)
  }
}
