package import FileTree
import Glibc
import Platform
package import Remotes

/// What a listing of a directory holds.
package struct LocalListingOptions: Sendable {
  /// Which files and directories; nil for all.
  package var filter: MirrorFilter?
  /// Elements of a path, at most; nil without a limit. Directories at the limit are not entered.
  package var depthMax: Int?
  package var staysOnFileSystem = false
  /// Links are listed as small files.
  package var storesLinks = false
  package var skipsLinksSilently = false
  /// How names become keys, which decides about the order.
  package var encoding = NameEncoding.s3
  /// Whether unfinished files of an earlier run are listed, whatever the filter says.
  package var listsLeftovers = false
  /// Names of files that this run is writing.
  package var isOwn: @Sendable ([UInt8]) -> Bool = { _ in false }

  package init() {}
}

/// Lists a directory tree in the order in which a store lists the keys of the same tree: a
/// directory counts as its name with a slash behind it.
///
/// Holds the names of one directory for each level, and no descriptor between calls. Confined to
/// one thread at a time.
package final class LocalListing {
  private struct Item {
    let name: [UInt8]
    /// With a slash behind that of a directory, and the mark behind that of a link.
    let key: [UInt8]
    let kind: MirrorEntry.Kind
    let sizeBytes: Int64
    let modified: WallTime
    /// Nil for directories.
    let file: FileIdentity?
  }

  private struct Level {
    let path: [UInt8]
    let key: [UInt8]
    /// The last one first.
    var items: [Item]
  }

  /// Most names of one directory, which are all in memory to be sorted.
  private static let nameCountMax = 50_000_000

  private let root: TreeRoot
  private let options: LocalListingOptions
  private let remark: (ListingRemark) -> Void
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 8)
  private var levels: [Level] = []
  private var hasStarted = false
  private var rootFileSystem: dev_t = 0

  package init(
    root: TreeRoot, options: LocalListingOptions, remark: @escaping (ListingRemark) -> Void
  ) {
    self.root = root
    self.options = options
    self.remark = remark
  }

  deinit { buffer.deallocate() }

  /// The next entry; nil at the end. The root itself is none. What cannot be read is told, and the
  /// listing goes on, except for the root.
  package func next() throws(MirrorError) -> MirrorEntry? {
    if !hasStarted {
      hasStarted = true
      if let level = try read(path: [], key: []) { levels.append(level) }
    }
    while let last = levels.indices.last {
      guard let item = levels[last].items.popLast() else {
        levels.removeLast()
        continue
      }
      var path = levels[last].path
      if !path.isEmpty { path.append(0x2f) }
      path += item.name
      let key = levels[last].key + item.key
      if item.kind == .directory, !enter(path, key) { continue }
      return MirrorEntry(
        item.kind, path: path, key: key, sizeBytes: item.sizeBytes, modified: item.modified,
        file: item.file)
    }
    return nil
  }

  /// One file or link of the root; nil when it is not there or takes no part.
  func single(_ name: [UInt8]) throws(MirrorError) -> MirrorEntry? {
    let raw = root.openRaw([], flags: O_RDONLY | O_DIRECTORY | O_NONBLOCK)
    guard raw >= 0 else { throw .local(.last("openat2"), path: []) }
    let descriptor = Descriptor(owning: raw)
    let found = (name + [0]).withUnsafeBytes {
      item(UnsafeRawBufferPointer(rebasing: $0.dropLast()), in: descriptor.raw, name)
    }
    guard let found, found.kind != .directory else { return nil }
    return MirrorEntry(
      found.kind, path: name, key: found.key, sizeBytes: found.sizeBytes,
      modified: found.modified)
  }

  /// False for a directory that takes no part.
  private func enter(_ path: [UInt8], _ key: [UInt8]) -> Bool {
    if let depthMax = options.depthMax, levels.count >= depthMax { return true }
    do throws(MirrorError) {
      guard let level = try read(path: path, key: key) else { return false }
      levels.append(level)
    } catch {
      remark(.failed(error))
    }
    return true
  }

  /// Nil when a file in it keeps it out.
  private func read(path: [UInt8], key: [UInt8]) throws(MirrorError) -> Level? {
    let raw = root.openRaw(path, flags: O_RDONLY | O_DIRECTORY | O_NONBLOCK)
    guard raw >= 0 else { throw .local(.last("openat2"), path: path) }
    let descriptor = Descriptor(owning: raw)
    if path.isEmpty {
      var status = stat()
      guard fstat(descriptor.raw, &status) == 0 else { throw .local(.last("fstat"), path: path) }
      rootFileSystem = status.st_dev
    }
    var items: [Item] = []
    var filterPath = path
    if !filterPath.isEmpty { filterPath.append(0x2f) }
    let prefixCount = filterPath.count
    while true {
      let count = FileSystem.readDirectory(descriptor.raw, into: buffer)
      if count < 0 { throw .local(.last("getdents64"), path: path) }
      if count == 0 { break }
      var offset = 0
      while offset < count {
        // struct linux_dirent64: u64 inode, i64 offset, u16 record length, u8 type, name
        let length = Int(buffer.loadUnaligned(fromByteOffset: offset + 16, as: UInt16.self))
        let start = buffer.baseAddress.unsafelyUnwrapped + offset + 19
        let name = UnsafeRawBufferPointer(
          start: start, count: strlen(start.assumingMemoryBound(to: CChar.self)))
        offset += length
        guard RelativePath.isSafeName(name) else { continue }
        if let filter = options.filter, filter.hasMarkers,
          filter.isMarker(name.bindMemory(to: UInt8.self))
        {
          return nil
        }
        filterPath.removeLast(filterPath.count - prefixCount)
        filterPath.append(contentsOf: name)
        guard let item = item(name, in: descriptor.raw, filterPath) else { continue }
        guard items.count < LocalListing.nameCountMax else {
          throw .local(PlatformError("getdents64", "", errno: EFBIG), path: path)
        }
        items.append(item)
      }
    }
    items.sort { $1.key.lexicographicallyPrecedes($0.key) }
    return Level(path: path, key: key, items: items)
  }

  /// Nil for what takes no part.
  private func item(
    _ name: UnsafeRawBufferPointer, in directory: Int32, _ path: [UInt8]
  ) -> Item? {
    guard let start = name.baseAddress else { return nil }
    var status = stat()
    let cName = start.assumingMemoryBound(to: CChar.self)
    guard fstatat(directory, cName, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
      // Removed since it was listed.
      if errno != ENOENT { remark(.failed(.local(.last("fstatat"), path: path))) }
      return nil
    }
    guard let kind = kind(of: status, path) else { return nil }
    let bytes = [UInt8](name)
    let isLeftover = kind == .file && TemporaryName.matches(name)
    if isLeftover {
      guard options.listsLeftovers, Leftover.matches(name), !options.isOwn(bytes) else {
        return nil
      }
    }
    let modified = WallTime(status.st_mtim)
    let size = kind == .directory ? 0 : Int64(status.st_size)
    guard isLeftover || takesPart(path, kind, FilteredFile(sizeBytes: size, modified: modified))
    else {
      return nil
    }
    var key: [UInt8] = []
    key.reserveCapacity(bytes.count + 1)
    bytes.withUnsafeBufferPointer { options.encoding.append($0, to: &key) }
    if kind == .directory { key.append(0x2f) }
    if kind == .link { key += MirrorEntry.linkSuffix }
    return Item(
      name: bytes, key: key, kind: kind, sizeBytes: size, modified: modified,
      file: kind == .directory ? nil : FileIdentity(status))
  }

  private func kind(of status: stat, _ path: [UInt8]) -> MirrorEntry.Kind? {
    switch status.st_mode & S_IFMT {
    case S_IFREG: return .file
    case S_IFDIR:
      return options.staysOnFileSystem && status.st_dev != rootFileSystem ? nil : .directory
    case S_IFLNK:
      if options.storesLinks { return .link }
      if !options.skipsLinksSilently, isWanted(path) {
        remark(.passedOver(name: path, reason: "it is a symbolic link"))
      }
    default:
      if isWanted(path) {
        remark(.passedOver(name: path, reason: "it is neither a file nor a directory"))
      }
    }
    return nil
  }

  private func isWanted(_ path: [UInt8]) -> Bool {
    guard let filter = options.filter else { return true }
    return path.withUnsafeBufferPointer { filter.includes(filePath: $0) }
  }

  private func takesPart(
    _ path: [UInt8], _ kind: MirrorEntry.Kind, _ file: FilteredFile
  ) -> Bool {
    guard let filter = options.filter else { return true }
    let path = kind == .link ? path + MirrorEntry.linkSuffix : path
    return path.withUnsafeBufferPointer { path in
      kind == .directory ? filter.includes(directory: path) : filter.includes(file: path, file)
    }
  }
}
