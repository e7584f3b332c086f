/// A POSIX access control list in the form of the `system.posix_acl_*` attributes (version 2,
/// little endian; tag, permissions and id of 2, 2 and 4 bytes an entry).
package enum AccessControlList {
  /// Owner, one named user, owning group, one named group, mask and others.
  package static func value(
    user: UInt32, group: UInt32, permissions: UInt16, otherPermissions: UInt16
  ) -> [UInt8] {
    let none = UInt32.max
    let entries: [(tag: UInt16, permissions: UInt16, id: UInt32)] = [
      (0x01, 7, none), (0x02, permissions, user), (0x04, 5, none), (0x08, permissions, group),
      (0x10, 7, none), (0x20, otherPermissions, none),
    ]
    var bytes: [UInt8] = [2, 0, 0, 0]
    for entry in entries {
      withUnsafeBytes(of: entry.tag.littleEndian) { bytes.append(contentsOf: $0) }
      withUnsafeBytes(of: entry.permissions.littleEndian) { bytes.append(contentsOf: $0) }
      withUnsafeBytes(of: entry.id.littleEndian) { bytes.append(contentsOf: $0) }
    }
    return bytes
  }

  package static let accessName = "system.posix_acl_access"
  package static let defaultName = "system.posix_acl_default"
}
