import Glibc
import Platform

/// Metadata of files: read from a descriptor, and given to one.
extension FileMetadata {
  private static let attributePrefix = "user."
  /// What Linux allows for the names of one file (`XATTR_LIST_MAX`).
  private static let nameBytesMax = 65_536
  /// More than an object can keep.
  private static let valueBytesMax = 4096

  /// Reads mode, owner, times and `user.` attributes (`fstat`, `statx`, `flistxattr`).
  init(of descriptor: Int32, _ path: [UInt8]) throws(MirrorError) {
    self.init()
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .local(.last("fstat"), path: path) }
    (mode, userID, groupID) = (status.st_mode, status.st_uid, status.st_gid)
    modified = WallTime(
      seconds: Int64(status.st_mtim.tv_sec), nanoseconds: Int32(status.st_mtim.tv_nsec))
    accessed = WallTime(
      seconds: Int64(status.st_atim.tv_sec), nanoseconds: Int32(status.st_atim.tv_nsec))
    created = FileSystem.birthTime(descriptor)
    attributes = try FileMetadata.attributes(of: descriptor, path)
  }

  private static func attributes(
    of descriptor: Int32, _ path: [UInt8]
  ) throws(MirrorError) -> [Attribute] {
    var names = [UInt8](repeating: 0, count: nameBytesMax)
    let count = names.withUnsafeMutableBytes { ExtendedAttributes.list(descriptor, into: $0) }
    guard count >= 0 else {
      if errno == EOPNOTSUPP { return [] }
      throw .local(.last("flistxattr"), path: path)
    }
    var found: [Attribute] = []
    for piece in names[..<count].split(separator: 0) {
      let name = String(decoding: piece, as: UTF8.self)
      guard name.hasPrefix(attributePrefix) else { continue }
      var value = [UInt8](repeating: 0, count: valueBytesMax)
      let size = value.withUnsafeMutableBytes { ExtendedAttributes.get(descriptor, name, into: $0) }
      let short = Array(piece.dropFirst(attributePrefix.utf8.count))
      if size < 0 {
        // Gone since it was listed.
        if errno == ENODATA { continue }
        guard errno == ERANGE else { throw .local(.last("fgetxattr"), path: path) }
        // It is named as one that there is no room for.
        found.append(Attribute(name: short, value: [0]))
        continue
      }
      found.append(Attribute(name: short, value: Array(value[..<size])))
    }
    return found.sorted { $0.name.lexicographicallyPrecedes($1.name) }
  }

  /// Gives a file owner, mode and attributes, in this order, since a new owner takes bits of the
  /// mode. Only permission bits are given. What the file system, or the right to it, is missing for
  /// stays as it is; gives the names of that.
  func apply(to descriptor: Int32, _ path: [UInt8]) throws(MirrorError) -> [String] {
    var missing: [String] = []
    if userID != nil || groupID != nil {
      // As rclone has it, a group that is not told is that of the user's number.
      let group = groupID ?? userID ?? .max
      if fchown(descriptor, userID ?? .max, group) != 0 {
        guard errno == EPERM || errno == EINVAL else {
          throw .local(.last("fchown"), path: path)
        }
        missing.append("owner")
      }
    }
    if let mode, fchmod(descriptor, mode & 0o777) != 0 {
      throw .local(.last("fchmod"), path: path)
    }
    for attribute in attributes {
      let name = FileMetadata.attributePrefix + String(decoding: attribute.name, as: UTF8.self)
      let code = attribute.value.withUnsafeBytes { ExtendedAttributes.set(descriptor, name, $0) }
      guard code != 0 else { continue }
      switch errno {
      case EOPNOTSUPP, EPERM, EACCES, ENOSPC, E2BIG, ERANGE: missing.append(name)
      default: throw .local(.last("fsetxattr"), path: path)
      }
    }
    return missing
  }
}
