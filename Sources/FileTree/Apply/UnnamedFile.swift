import Glibc
package import Platform

/// Makes files that have no name until they are complete (`O_TMPFILE`): that is less work for the
/// file system than a temporary name and a rename, and an unfinished one vanishes by itself.
/// Confined to one thread.
struct UnnamedFiles {
  enum Linking {
    case untried
    /// `linkat` by the descriptor itself.
    case byDescriptor
    /// Through `/proc/self/fd`, for those without the privilege on an older kernel.
    case byProcessPath
    case impossible
  }

  private(set) var linking: Linking

  init(linking: Linking = .untried) { self.linking = linking }

  /// A new file on the file system of a directory, open for reading and writing; nil where such
  /// files cannot be made or named.
  mutating func make(in directory: Int32, mode: UInt32) -> SharedDescriptor? {
    if linking == .untried { linking = UnnamedFiles.tryLinking(directory) }
    guard linking != .impossible else { return nil }
    let raw = retryingOnInterrupt { FileSystem.openUnnamed(in: directory, mode: mode) }
    return raw >= 0 ? SharedDescriptor(owning: raw) : nil
  }

  /// Gives a file its name; -1 and `EEXIST` when something has it.
  func link(_ descriptor: Int32, _ directory: Int32, _ name: UnsafePointer<CChar>) -> Int32 {
    UnnamedFiles.link(descriptor, directory, name, linking)
  }

  private static func link(
    _ descriptor: Int32, _ directory: Int32, _ name: UnsafePointer<CChar>, _ linking: Linking
  ) -> Int32 {
    if linking == .byDescriptor {
      return linkat(descriptor, "", directory, name, FileSystem.atEmptyPath)
    }
    return linkat(
      AT_FDCWD, "/proc/self/fd/\(descriptor)", directory, name, AT_SYMLINK_FOLLOW)
  }

  /// Names a file and takes the name away again: what is found out later would be too late.
  private static func tryLinking(_ directory: Int32) -> Linking {
    let raw = retryingOnInterrupt { FileSystem.openUnnamed(in: directory, mode: 0o600) }
    guard raw >= 0 else { return .impossible }
    let file = Descriptor(owning: raw)
    let name = TemporaryName.make(SecureRandom.integer())
    for linking in [Linking.byDescriptor, .byProcessPath]
    where link(file.raw, directory, name, linking) == 0 {
      _ = unlinkat(directory, name, 0)
      return linking
    }
    return .impossible
  }
}

extension TreeWriter {
  /// The mode that a file of `entry` is made with: who owns it in the end may read it from the
  /// start; its mode is then right at once.
  package func modeAtCreation(_ entry: Entry) -> UInt32 {
    let isOwn = entry.userID == user && entry.groupID == group
    return 0o600 | (isOwn ? UInt32(entry.mode) & 0o777 : 0)
  }

  /// A new file for `entry` that has no name until ``link(_:_:temporary:to:path:)``, and is gone
  /// when it is closed without one. nil where the file system has no such files.
  package func makeUnnamed(_ entry: Entry, in parent: Int32) -> SharedDescriptor? {
    unnamed.make(in: parent, mode: modeAtCreation(entry))
  }

  /// Sets the attributes of a file of ``makeUnnamed(_:in:)``. What the file before it in the same
  /// directory had from the start, this one has as well.
  package func applyToUnnamed(
    _ entry: Entry, in listing: DirectoryListing, _ file: SharedDescriptor, path: () -> [UInt8]
  ) {
    if let plain, plain.listing === listing, plain.mode == entry.mode, entry.userID == user,
      entry.groupID == group, listing.bytes(entry.attributes).isEmpty
    {
      return attributes.setTime(entry, file.raw, path)
    }
    let hadAll = attributes.apply(entry, in: listing, to: file.raw, path: path)
    plain = hadAll ? (listing, entry.mode) : nil
  }

  /// Gives a complete file of ``makeUnnamed(_:in:)`` its name. Something else that has the name is
  /// replaced, by way of the temporary name.
  package func link(
    _ file: SharedDescriptor, _ parent: Int32, temporary: @autoclosure () -> String,
    to name: UnsafePointer<CChar>, path: () -> [UInt8]
  ) throws(TreeError) {
    if unnamed.link(file.raw, parent, name) == 0 { return }
    guard errno == EEXIST else { throw .system(.last("linkat"), path: path()) }
    let temporary = temporary()
    if unnamed.link(file.raw, parent, temporary) != 0 {
      // What an earlier run has left.
      guard errno == EEXIST, unlinkat(parent, temporary, 0) == 0,
        unnamed.link(file.raw, parent, temporary) == 0
      else { throw .system(.last("linkat"), path: path()) }
    }
    try rename(parent, temporary, to: name, path: path)
  }
}
