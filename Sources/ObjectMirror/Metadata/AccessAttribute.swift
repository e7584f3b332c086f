/// Access control lists as the kernel keeps them, in `system.posix_acl_access` and
/// `system.posix_acl_default`. Little endian.
///
/// | offset | size | meaning |
/// | --- | --- | --- |
/// | 0 | 4 | version, 2 |
/// | 4 + 8 n | 2 | kind: 1 owner, 2 user, 4 owning group, 8 group, 16 mask, 32 other |
/// | 6 + 8 n | 2 | permissions |
/// | 8 + 8 n | 4 | number of the user or group, else 0xffffffff |
///
/// Source: linux/posix_acl_xattr.h.
package enum AccessAttribute {
  private static let kinds: [(code: UInt16, kind: AccessEntry.Kind)] = [
    (1, .owner), (2, .user), (4, .owningGroup), (8, .group), (16, .mask), (32, .other),
  ]

  /// The entries of an attribute, in its order; nil when it is none. `name` gives the text for a
  /// user or a group.
  package static func entries(
    of attribute: [UInt8], name: (AccessEntry.Kind, UInt32) -> [UInt8]
  ) -> [AccessEntry]? {
    func number(_ offset: Int, _ count: Int) -> UInt32 {
      (0..<count).reduce(0) { $0 | UInt32(attribute[offset + $1]) << UInt32(8 * $1) }
    }
    guard attribute.count >= 4, attribute.count % 8 == 4, number(0, 4) == 2 else { return nil }
    var entries: [AccessEntry] = []
    for offset in stride(from: 4, to: attribute.count, by: 8) {
      let permissions = number(offset + 2, 2)
      guard let kind = kinds.first(where: { $0.code == number(offset, 2) })?.kind,
        permissions < 8
      else { return nil }
      let text = kind.isNamed ? name(kind, number(offset + 4, 4)) : []
      entries.append(AccessEntry(kind, text, permissions: UInt8(permissions)))
    }
    return entries
  }

  /// The attribute of entries; nil when `number` knows a user or a group not. Of one kind and
  /// number the last entry counts.
  package static func attribute(
    of entries: [AccessEntry], number: (AccessEntry.Kind, [UInt8]) -> UInt32?
  ) -> [UInt8]? {
    var items: [(code: UInt16, permissions: UInt8, id: UInt32)] = []
    for entry in entries {
      guard let code = kinds.first(where: { $0.kind == entry.kind })?.code else { return nil }
      var id = UInt32.max
      if entry.kind.isNamed {
        guard let found = number(entry.kind, entry.name) else { return nil }
        id = found
      }
      items.removeAll { $0.code == code && $0.id == id }
      items.append((code, entry.permissions, id))
    }
    items.sort { ($0.code, $0.id) < ($1.code, $1.id) }
    var bytes: [UInt8] = [2, 0, 0, 0]
    for item in items {
      withUnsafeBytes(of: item.code.littleEndian) { bytes.append(contentsOf: $0) }
      bytes += [item.permissions, 0]
      withUnsafeBytes(of: item.id.littleEndian) { bytes.append(contentsOf: $0) }
    }
    return bytes
  }

  /// The list that a file without one has: what its mode says.
  package static func entries(ofMode mode: UInt32) -> [AccessEntry] {
    [
      AccessEntry(.owner, permissions: UInt8(mode >> 6 & 7)),
      AccessEntry(.owningGroup, permissions: UInt8(mode >> 3 & 7)),
      AccessEntry(.other, permissions: UInt8(mode & 7)),
    ]
  }
}
