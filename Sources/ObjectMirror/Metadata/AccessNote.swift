package import Platform

/// What Drover adds to `permissions.facl`, as comments that `setfacl` passes over: what neither a
/// bucket nor `getfacl` keeps.
///
/// | line | where | says |
/// | --- | --- | --- |
/// | `# drover-format: 1` | before the first `# file:` | every record has the next one |
/// | `# drover: KIND TIME` | before the entries of a record | `f` or `d`, and the time |
/// | `# drover-link: USER GROUP TIME PATH TARGET` | behind the entries of a record | a link |
///
/// Times are as ``DecimalTime`` writes them, users and groups are numbers, and blanks in names are
/// escaped as `getfacl` escapes them.
package struct AccessNote: Sendable, Equatable {
  package enum Kind: UInt8, Sendable {
    case file = 0x66
    case directory = 0x64
  }

  /// The format that is written, and the newest that is read.
  package static let format = 1
  static let label = "drover"
  static let formatLabel = "drover-format"

  package var kind: Kind
  package var modified: WallTime

  package init(_ kind: Kind, modified: WallTime) {
    self.kind = kind
    self.modified = modified
  }

  static func appendFormat(to text: inout [UInt8]) {
    text += "# \(formatLabel): \(format)\n".utf8
  }

  func append(to text: inout [UInt8]) {
    text += "# \(AccessNote.label): ".utf8
    text += [kind.rawValue, 0x20]
    text += DecimalTime.text(of: modified).utf8
    text.append(0x0a)
  }

  /// Nil when the text is none.
  init?(_ text: ArraySlice<UInt8>) {
    let fields = text.split(separator: 0x20)
    guard fields.count == 2, fields[0].count == 1, let kind = fields[0].first.flatMap(Kind.init),
      let time = DecimalTime.time(of: String(decoding: fields[1], as: UTF8.self))
    else { return nil }
    self.init(kind, modified: time)
  }
}

/// A symbolic link in `permissions.facl`; see ``AccessNote``.
package struct AccessLink: Sendable, Equatable {
  static let label = "drover-link"

  /// As that of an ``AccessRecord``.
  package var path: [UInt8]
  package var target: [UInt8]
  package var userID: UInt32
  package var groupID: UInt32
  package var modified: WallTime

  package init(
    path: [UInt8], target: [UInt8], userID: UInt32, groupID: UInt32, modified: WallTime
  ) {
    (self.path, self.target, self.userID, self.groupID) = (path, target, userID, groupID)
    self.modified = modified
  }

  func append(to text: inout [UInt8]) {
    text += "# \(AccessLink.label): \(userID) \(groupID) ".utf8
    text += DecimalTime.text(of: modified).utf8
    for name in [path, target] {
      text.append(0x20)
      AccessQuoting.append(name, quoting: " \t\n\r", to: &text)
    }
    text.append(0x0a)
  }

  /// Nil when the text is none.
  init?(_ text: ArraySlice<UInt8>) {
    let fields = text.split(separator: 0x20)
    guard fields.count == 5 else { return nil }
    let numbers = fields[..<3].map { String(decoding: $0, as: UTF8.self) }
    guard let userID = UInt32(numbers[0]), let groupID = UInt32(numbers[1]),
      let time = DecimalTime.time(of: numbers[2])
    else { return nil }
    let (path, target) = (AccessQuoting.unquoted(fields[3]), AccessQuoting.unquoted(fields[4]))
    guard !path.contains(0), !target.contains(0) else { return nil }
    self.init(path: path, target: target, userID: userID, groupID: groupID, modified: time)
  }
}

/// One thing that `permissions.facl` tells.
package enum AccessItem: Sendable, Equatable {
  case record(AccessRecord)
  case link(AccessLink)
}
