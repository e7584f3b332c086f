package import Platform

/// What rclone's `--metadata` keeps of a file of Linux, and the pairs that it becomes in the
/// metadata of an object.
///
/// | key | value |
/// | --- | --- |
/// | `mode` | octal, with the bits of the file's type: `100640` |
/// | `uid`, `gid` | decimal |
/// | `rdev` | hexadecimal, devices only |
/// | `atime`, `btime` | RFC 3339, up to nine digits behind the dot |
/// | `mtime` | decimal seconds, see ``DecimalTime`` |
/// | any other | a `user.` attribute without its prefix |
package struct FileMetadata: Sendable, Equatable {
  package struct Attribute: Sendable, Hashable {
    /// Without `user.`.
    package var name: [UInt8]
    package var value: [UInt8]

    package init(name: [UInt8], value: [UInt8]) { (self.name, self.value) = (name, value) }
  }

  package var mode: UInt32?
  package var userID: UInt32?
  package var groupID: UInt32?
  package var device: UInt64?
  package var modified: WallTime?
  package var accessed: WallTime?
  package var created: WallTime?
  /// In the order of the source; a store gives them back in any order, with names in lower case.
  package var attributes: [Attribute] = []

  package init() {}

  /// The limit of S3 for all names and values of an object's own metadata.
  package static let sizeBytesMax = 2048

  private static let systemNames: Set<String> = [
    "mode", "uid", "gid", "rdev", "atime", "btime", "mtime", "tier",
  ]
  /// Names that S3 has headers for: not metadata of the user's own.
  private static let headerNames: Set<String> = [
    "cache-control", "content-disposition", "content-encoding", "content-language", "content-type",
    "x-amz-tagging",
  ]

  /// What an object gets, and what it cannot have.
  package struct Encoded: Sendable, Equatable {
    /// Names without `x-amz-meta-`, in lower case.
    package var pairs: [String: [UInt8]] = [:]
    /// Headers by their names, from attributes such as `user.content-type`.
    package var headers: [String: [UInt8]] = [:]
    /// Names of attributes that no header can carry, or for which there is no room.
    package var dropped: [[UInt8]] = []
  }

  /// The pairs for an object. What belongs to the file comes first; attributes follow as long as
  /// there is room.
  package func encoded() -> Encoded {
    var result = Encoded()
    result.pairs["mode"] = mode.map { Array(String($0, radix: 8).utf8) }
    result.pairs["uid"] = userID.map { Array(String($0).utf8) }
    result.pairs["gid"] = groupID.map { Array(String($0).utf8) }
    if let device, device != 0 { result.pairs["rdev"] = Array(String(device, radix: 16).utf8) }
    result.pairs["mtime"] = modified.map { Array(DecimalTime.text(of: $0).utf8) }
    result.pairs["atime"] = accessed.map { Array(ZonedTime.text(of: $0).utf8) }
    result.pairs["btime"] = created.map { Array(ZonedTime.text(of: $0).utf8) }
    var size = result.pairs.reduce(0) { $0 + $1.key.utf8.count + $1.value.count }
    for attribute in attributes {
      guard let name = FileMetadata.headerName(attribute.name),
        FileMetadata.isHeaderValue(attribute.value),
        !FileMetadata.systemNames.contains(name), result.pairs[name] == nil,
        result.headers[name] == nil
      else {
        result.dropped.append(attribute.name)
        continue
      }
      if FileMetadata.headerNames.contains(name) {
        result.headers[name] = attribute.value
        continue
      }
      let needed = name.utf8.count + attribute.value.count
      guard size + needed <= FileMetadata.sizeBytesMax else {
        result.dropped.append(attribute.name)
        continue
      }
      size += needed
      result.pairs[name] = attribute.value
    }
    return result
  }

  /// Reads the pairs of an object. A value that is none is as if it were not there; rclone does the
  /// same.
  package init(pairs: [String: [UInt8]]) {
    for (key, value) in pairs {
      let name = key.lowercased()
      let text = String(decoding: value, as: UTF8.self)
      switch name {
      case "mode": mode = UInt32(text, radix: 8)
      case "uid": userID = UInt32(text)
      case "gid": groupID = UInt32(text)
      case "rdev": device = UInt64(text, radix: 16)
      case "mtime": modified = DecimalTime.time(of: text)
      case "atime": accessed = ZonedTime.time(of: text)
      case "btime": created = ZonedTime.time(of: text)
      // The MD5 of an object in parts is no attribute of a file.
      case "tier", "md5chksum": continue
      default: attributes.append(Attribute(name: Array(name.utf8), value: value))
      }
    }
    attributes.sort { $0.name.lexicographicallyPrecedes($1.name) }
  }

  /// The name in lower case when a header may have it (a token of RFC 9110).
  private static func headerName(_ name: [UInt8]) -> String? {
    let marks = Array("!#$%&'*+-.^_`|~".utf8)
    let isToken = name.allSatisfy { byte in
      switch byte {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
      default: marks.contains(byte)
      }
    }
    return isToken && !name.isEmpty ? String(decoding: name, as: UTF8.self).lowercased() : nil
  }

  /// Text without control characters, and without blanks at its ends, which would be lost.
  private static func isHeaderValue(_ value: [UInt8]) -> Bool {
    guard String(validating: value, as: UTF8.self) != nil else { return false }
    if value.first == 0x20 || value.first == 0x09 || value.last == 0x20 || value.last == 0x09 {
      return false
    }
    return value.allSatisfy { $0 == 0x09 || $0 >= 0x20 && $0 != 0x7f }
  }
}
