/// One entry of an access control list, with names as text.
package struct AccessEntry: Sendable, Hashable {
  /// In the order in which lists are kept and written.
  package enum Kind: UInt8, Sendable, Comparable {
    case owner, user, owningGroup, group, mask, other

    package static func < (a: Kind, b: Kind) -> Bool { a.rawValue < b.rawValue }

    var isNamed: Bool { self == .user || self == .group }
  }

  package var kind: Kind
  /// Name or number of a named user or group; empty for all others.
  package var name: [UInt8]
  /// 4 to read, 2 to write, 1 to execute.
  package var permissions: UInt8

  package init(_ kind: Kind, _ name: [UInt8] = [], permissions: UInt8) {
    precondition(permissions < 8, "permissions are three bits")
    (self.kind, self.name, self.permissions) = (kind, name, permissions)
  }
}

/// What `permissions.facl` says of one file.
package struct AccessRecord: Sendable, Equatable {
  /// As it stands in the file, without escapes; usually an absolute path without its first slash.
  package var path: [UInt8]
  /// Name or number; nil when it is not said.
  package var owner: [UInt8]?
  package var group: [UInt8]?
  /// Set-uid 4, set-gid 2, sticky 1; nil when it is not said, which for `setfacl` means none.
  package var flags: UInt8?
  /// Complete: owner, owning group, others, and a mask when somebody is named.
  package var access: [AccessEntry]
  /// Empty, or complete.
  package var inherited: [AccessEntry]
  /// Nil in what `getfacl` has written.
  package var note: AccessNote?

  package init(
    path: [UInt8], owner: [UInt8]? = nil, group: [UInt8]? = nil, flags: UInt8? = nil,
    access: [AccessEntry], inherited: [AccessEntry] = [], note: AccessNote? = nil
  ) {
    (self.path, self.owner, self.group, self.flags) = (path, owner, group, flags)
    (self.access, self.inherited, self.note) = (access, inherited, note)
  }

  /// Appends the record as `getfacl` writes it, with the empty line at its end.
  ///
  /// Entries are written in the order given, which is that of the kinds, names by number. Source:
  /// getfacl(1).
  package func append(to text: inout [UInt8]) {
    appendEntries(to: &text)
    text.append(0x0a)
  }

  /// Appends the record without the empty line at its end.
  func appendEntries(to text: inout [UInt8]) {
    text += "# file: ".utf8
    AccessQuoting.append(path, quoting: "\n\r", to: &text)
    text.append(0x0a)
    for (label, name) in [("# owner: ", owner), ("# group: ", group)] {
      guard let name else { continue }
      text += label.utf8
      AccessQuoting.append(name, quoting: " \t\n\r", to: &text)
      text.append(0x0a)
    }
    if let flags, flags != 0 {
      text += "# flags: ".utf8
      text.append(flags & 4 != 0 ? 0x73 : 0x2d)
      text.append(flags & 2 != 0 ? 0x73 : 0x2d)
      text.append(flags & 1 != 0 ? 0x74 : 0x2d)
      text.append(0x0a)
    }
    note?.append(to: &text)
    append(access, "", to: &text)
    append(inherited, "default:", to: &text)
  }

  private func append(_ entries: [AccessEntry], _ prefix: String, to text: inout [UInt8]) {
    let mask = entries.first { $0.kind == .mask }?.permissions ?? 7
    for entry in entries {
      text += prefix.utf8
      switch entry.kind {
      case .owner, .user: text += "user:".utf8
      case .owningGroup, .group: text += "group:".utf8
      case .mask: text += "mask:".utf8
      case .other: text += "other:".utf8
      }
      AccessQuoting.append(entry.name, quoting: " \t\n\r", to: &text)
      text.append(0x3a)
      AccessRecord.append(entry.permissions, to: &text)
      let isMasked = entry.kind.isNamed || entry.kind == .owningGroup
      if isMasked, entry.permissions & mask != entry.permissions {
        text += "\t#effective:".utf8
        AccessRecord.append(entry.permissions & mask, to: &text)
      }
      text.append(0x0a)
    }
  }

  private static func append(_ permissions: UInt8, to text: inout [UInt8]) {
    text.append(permissions & 4 != 0 ? 0x72 : 0x2d)
    text.append(permissions & 2 != 0 ? 0x77 : 0x2d)
    text.append(permissions & 1 != 0 ? 0x78 : 0x2d)
  }
}

/// Names with escapes: a backslash and three octal digits, or a doubled backslash.
enum AccessQuoting {
  static func append(_ name: [UInt8], quoting set: String, to text: inout [UInt8]) {
    for byte in name {
      if byte == 0x5c {
        text += [0x5c, 0x5c]
      } else if set.utf8.contains(byte) {
        text += [0x5c, 0x30 + (byte >> 6), 0x30 + (byte >> 3 & 7), 0x30 + (byte & 7)]
      } else {
        text.append(byte)
      }
    }
  }

  /// A backslash that begins no escape stands for itself.
  static func unquoted(_ text: ArraySlice<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    var rest = text
    while let byte = rest.popFirst() {
      guard byte == 0x5c else {
        result.append(byte)
        continue
      }
      let digits = rest.prefix(3)
      if rest.first == 0x5c {
        result.append(0x5c)
        rest.removeFirst()
      } else if digits.count == 3, digits.allSatisfy({ (0x30...0x37).contains($0) }) {
        result.append(UInt8(truncatingIfNeeded: digits.reduce(0) { $0 * 8 + Int($1 - 0x30) }))
        rest.removeFirst(3)
      } else {
        result.append(byte)
      }
    }
    return result
  }
}
