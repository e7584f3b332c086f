import Glibc
import Platform

/// Creates, replaces and removes entries below a root. Every new thing is made under a temporary
/// name in its own directory, or without a name, and gets its final one when it is complete.
/// Confined to one thread.
package final class TreeWriter {
  package let root: TreeRoot
  package let directories: DirectoryCache
  package let attributes: AttributeWriter
  var unnamed = UnnamedFiles()
  /// Where the last file of ``makeUnnamed(_:in:)`` had its attributes from the start, and its mode:
  /// nothing is inherited from that directory.
  var plain: (listing: DirectoryListing, mode: UInt16)?
  let user = geteuid()
  let group = getegid()

  package init(root: TreeRoot, onProblem: @escaping (_ path: [UInt8], _ message: String) -> Void) {
    self.root = root
    self.directories = DirectoryCache(root: root)
    self.attributes = AttributeWriter(onProblem: onProblem)
  }

  private func failure(_ call: StaticString, _ path: [UInt8]) -> TreeError {
    .system(.last(call), path: path)
  }

  /// Makes a directory that only its owner can enter until its attributes are set at the end of the
  /// run.
  package func makeDirectory(
    _ directory: [UInt8], _ name: UnsafePointer<CChar>, path: () -> [UInt8]
  ) throws(TreeError) {
    let parent = try directories.descriptor(of: directory)
    guard mkdirat(parent, name, 0o700) == 0 else { throw failure("mkdirat", path()) }
  }

  /// Makes or replaces a symbolic link, fifo, socket or device node with all its attributes.
  package func makeSpecial(
    _ entry: Entry, in listing: DirectoryListing
  ) throws(TreeError) {
    let parent = try directories.descriptor(of: listing.path)
    let temporary = TemporaryName.make(SecureRandom.integer())
    func path() -> [UInt8] { listing.path(of: entry) }
    let code: Int32
    if entry.kind == .symbolicLink {
      code = symlinkat(listing.arena.cString(at: entry.target.offset), parent, temporary)
    } else {
      let device = FileSystem.makeDevice(major: entry.deviceMajor, minor: entry.deviceMinor)
      code = mknodat(
        parent, temporary, mode_t(entry.kind.typeBits) | 0o600,
        dev_t(entry.kind.isDevice ? device : 0))
    }
    guard code == 0 else {
      throw failure(entry.kind == .symbolicLink ? "symlinkat" : "mknodat", path())
    }
    temporary.withCString {
      attributes.apply(entry, in: listing, directory: parent, name: $0, path: path)
    }
    try rename(parent, temporary, to: listing.cName(of: entry), path: path)
  }

  /// Replaces `name` by the temporary file of the same directory.
  package func rename(
    _ parent: Int32, _ temporary: String, to name: UnsafePointer<CChar>, path: () -> [UInt8]
  ) throws(TreeError) {
    guard renameat(parent, temporary, parent, name) == 0 else {
      let error = failure("renameat", path())
      _ = unlinkat(parent, temporary, 0)
      throw error
    }
  }

  /// Makes `name` another name of the file at `first`, replacing what stands there.
  package func makeLink(
    to first: [UInt8], _ directory: [UInt8], _ name: [UInt8]
  ) throws(TreeError) {
    let path = name.withUnsafeBytes { directory.appending($0) }
    let (firstDirectory, firstName) = first.splitLast()
    // The cache holds both: the second is at most the next that it opens.
    let source = try directories.descriptor(of: firstDirectory)
    let parent = try directories.descriptor(of: directory)
    let temporary = TemporaryName.make(SecureRandom.integer())
    let code = firstName.withCString { linkat(source, $0, parent, temporary, 0) }
    guard code == 0 else { throw failure("linkat", path) }
    try name.withCString { (cName) throws(TreeError) in
      try rename(parent, temporary, to: cName) { path }
    }
    // Renaming one name of a file to another name of the same file does nothing.
    _ = unlinkat(parent, temporary, 0)
  }

  /// Moves what stands in the way of an entry of another kind to a temporary name, to be removed
  /// with the deletions.
  package func moveAside(
    _ directory: [UInt8], _ name: UnsafePointer<CChar>, path: () -> [UInt8]
  ) throws(TreeError) -> [UInt8] {
    let parent = try directories.descriptor(of: directory)
    let temporary = TemporaryName.make(SecureRandom.integer())
    guard renameat(parent, name, parent, temporary) == 0 else { throw failure("renameat", path()) }
    return Array(temporary.utf8)
  }
}

extension EntryKind {
  /// Type bits of `st_mode`.
  var typeBits: UInt32 {
    switch self {
    case .regular: UInt32(S_IFREG)
    case .directory: UInt32(S_IFDIR)
    case .symbolicLink: UInt32(S_IFLNK)
    case .fifo: UInt32(S_IFIFO)
    case .socket: UInt32(S_IFSOCK)
    case .characterDevice: UInt32(S_IFCHR)
    case .blockDevice: UInt32(S_IFBLK)
    }
  }
}

extension [UInt8] {
  /// The path of the directory and the last component.
  package func splitLast() -> (directory: [UInt8], name: [UInt8]) {
    guard let slash = lastIndex(of: 0x2f) else { return ([], self) }
    return ([UInt8](self[..<slash]), [UInt8](self[(slash + 1)...]))
  }

  /// The bytes with a NUL behind them.
  package func withCString<R, E: Error>(
    _ body: (UnsafePointer<CChar>) throws(E) -> R
  ) throws(E) -> R {
    var bytes = self
    bytes.append(0)
    var result: Result<R, E>?
    bytes.withUnsafeBytes { buffer in
      let start = buffer.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: CChar.self)
      do throws(E) { result = .success(try body(start)) } catch { result = .failure(error) }
    }
    guard let result else { preconditionFailure("the body always runs") }
    return try result.get()
  }
}
