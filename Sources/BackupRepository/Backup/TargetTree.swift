import FileTree
import Glibc
package import Platform

/// The upper part of a snapshot: the directories on the way to the targets, and the targets.
///
/// The root holds one node for each first path component. Below it stand the real metadata of the
/// directories on the way, and of what they hold only what leads to targets. A relative target
/// starts with its first name; of two that share it and start from different directories the later
/// one gets `-1` behind its name.
/// Source: the restic repository format, "snapshots".
final class TargetNode: @unchecked Sendable {
  /// What is backed up here, absolute; nil for a directory on the way.
  private(set) var path: [UInt8]?
  /// Where the metadata of a directory on the way come from, absolute.
  private(set) var wayPath: [UInt8] = []
  /// Named by the user, not found below a target that another target is in.
  private(set) var isNamed = true
  /// `st_dev` of the nearest named target, when that is not this node itself.
  private(set) var fileSystem: UInt64?
  private var base: [UInt8] = []
  private(set) var children: [[UInt8]: TargetNode] = [:]

  private init(base: [UInt8]) { self.base = base }

  private init(found path: [UInt8], fileSystem: UInt64?) {
    self.path = path
    self.fileSystem = fileSystem
    isNamed = false
  }

  var isLeaf: Bool { children.isEmpty && path != nil }

  /// The tree of these targets.
  /// - Throws: `RepositoryError.usage`, `.platform` when a target that holds others cannot be read.
  static func tree(of targets: [[UInt8]]) throws(RepositoryError) -> TargetNode {
    let root = TargetNode(base: [])
    var seen: Set<[UInt8]> = []
    for target in try resolved(targets) where seen.insert(target).inserted {
      try root.add(target)
    }
    try root.unroll()
    return root
  }

  /// The tree of one file that comes from elsewhere.
  static func tree(ofStream path: [UInt8]) throws(RepositoryError) -> TargetNode {
    let root = TargetNode(base: [])
    try root.add(PathText.clean([PathText.slash] + path))
    return root
  }

  /// Replaces targets without a name, `.` and `/`, by what they hold.
  private static func resolved(_ targets: [[UInt8]]) throws(RepositoryError) -> [[UInt8]] {
    var result: [[UInt8]] = []
    for target in targets {
      let target = PathText.clean(target)
      if !PathText.components(target).isEmpty {
        result.append(target)
        continue
      }
      for name in try names(in: target) {
        result.append(PathText.clean(PathText.join(target, name)))
      }
    }
    return result
  }

  private static func names(in path: [UInt8]) throws(RepositoryError) -> [[UInt8]] {
    do throws(PlatformError) { return try DirectoryNames.all(in: PathText.absolute(path)) } catch {
      throw .platform(error)
    }
  }

  private func add(_ target: [UInt8]) throws(RepositoryError) {
    let components = PathText.components(target)
    guard let first = components.first else {
      throw .usage("\(printable(target)) has no name to back up")
    }
    let base = PathText.base(target)
    var name = first
    var node: TargetNode?
    var number = 0
    while node == nil, let other = children[name] {
      number += 1
      if other.base == base { node = other } else { name = first + Array("-\(number)".utf8) }
    }
    let top = node ?? TargetNode(base: base)
    children[name] = top
    if components.count == 1 {
      top.path = PathText.absolute(target)
      return
    }
    let way = PathText.join(base, first)
    top.wayPath = PathText.absolute(way)
    try top.add(target, way, components.dropFirst())
  }

  private func add(
    _ target: [UInt8], _ way: [UInt8], _ components: ArraySlice<[UInt8]>
  ) throws(RepositoryError) {
    guard let name = components.first else { return }
    let node = children[name] ?? TargetNode(base: [])
    children[name] = node
    if components.count == 1 {
      node.path = PathText.absolute(target)
      return
    }
    let way = PathText.join(way, name)
    node.wayPath = PathText.absolute(way)
    try node.add(target, way, components.dropFirst())
  }

  /// Turns a target that holds other targets into a directory on the way with all its entries.
  private func unroll() throws(RepositoryError) {
    if let path, !children.isEmpty {
      var status = stat()
      let isKnown = PathText.withCString(path) { lstat($0, &status) } == 0
      for name in try TargetNode.names(in: path) where children[name]?.path == nil {
        let entry = PathText.join(path, name)
        if let child = children[name] {
          child.path = entry
          child.isNamed = false
        } else {
          children[name] = TargetNode(
            found: entry, fileSystem: isKnown ? UInt64(status.st_dev) : nil)
        }
      }
      self.path = nil
      wayPath = path
    }
    for child in children.values { try child.unroll() }
  }
}

/// The names in a directory.
package enum DirectoryNames {
  /// All of them in byte order, without `.` and `..`.
  package static func all(in path: [UInt8]) throws(PlatformError) -> [[UInt8]] {
    let raw = PathText.withCString(path) { path in
      retryingOnInterrupt { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    }
    guard raw >= 0 else { throw .last("open", printable(path)) }
    let descriptor = Descriptor(owning: raw)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 8)
    defer { buffer.deallocate() }
    var names: [[UInt8]] = []
    while true {
      let count = FileSystem.readDirectory(descriptor.raw, into: buffer)
      guard count >= 0 else { throw .last("getdents64", printable(path)) }
      if count == 0 { break }
      forEach(in: UnsafeRawBufferPointer(rebasing: buffer[..<count])) { names.append(Array($0)) }
    }
    return names.sorted { $0.lexicographicallyPrecedes($1) }
  }

  /// Gives the names of one answer of `getdents64`, each with a NUL behind its end.
  @inline(__always)
  static func forEach(
    in records: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void
  ) {
    var offset = 0
    while offset < records.count, let base = records.baseAddress {
      // struct linux_dirent64: u64 inode, i64 offset, u16 record length, u8 type, name
      let length = Int(records.loadUnaligned(fromByteOffset: offset + 16, as: UInt16.self))
      let start = base + offset + 19
      let count = strlen(start.assumingMemoryBound(to: CChar.self))
      offset += length
      let name = UnsafeRawBufferPointer(start: start, count: count)
      if name.elementsEqual([0x2e]) || name.elementsEqual([0x2e, 0x2e]) { continue }
      body(name)
    }
  }
}
