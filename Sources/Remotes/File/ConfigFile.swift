import Platform

/// A configuration file of rclone: named sections of keys and values.
///
/// Read as rclone reads it, byte by byte: sections that come again go on, a key that comes again
/// counts last, everything before the first section belongs to `DEFAULT`. Unknown keys are kept.
/// Values may be secrets; neither the description nor a dump of the type shows one.
package struct ConfigFile: Sendable {
  /// A value as it stands in the file, without its quotes.
  struct Entry: Sendable {
    var value: [UInt8]
    /// Counts from 1.
    var line: Int
  }

  struct Section: Sendable {
    var keys: [[UInt8]] = []
    var entries: [[UInt8]: Entry] = [:]
    var line: Int
  }

  /// For messages.
  package let path: String
  private(set) var order: [[UInt8]] = []
  private(set) var sections: [[UInt8]: Section] = [:]

  /// Where keys before the first section go, and where `%(…)s` looks first.
  static let defaultSection = Array("DEFAULT".utf8)
  /// Every section that was written down has this key with this value; it is listed nowhere, but
  /// `%( )s` finds it.
  static let keeper = Array(" ".utf8)

  /// Largest file: what an object of the YAML world can hold, and room.
  package static let sizeBytesMax = 4 << 20

  /// A file without sections, for a remote that stands in the environment alone.
  package init(emptyAt path: String = "") { self.path = path }

  /// Reads the file at `path`.
  ///
  /// Blocks.
  /// - Throws: `.unreadable`, and as ``init(_:path:)``.
  package init(readingFrom path: String) throws(RemoteError) {
    let bytes: [UInt8]
    do {
      bytes = try SmallFile.read(path, sizeBytesMax: ConfigFile.sizeBytesMax)
    } catch {
      throw .unreadable(error)
    }
    try self.init(bytes, path: path)
  }

  /// Reads the text of a file; `path` is for messages.
  ///
  /// - Throws: `.badLine` for the first line that is none, `.encrypted`.
  package init(_ bytes: [UInt8], path: String) throws(RemoteError) {
    self.path = path
    if let line = EncryptedConfig.markerLine(in: bytes) {
      throw .encrypted(file: path, line: line)
    }
    var reader = LineReader(path: path)
    for line in ConfigFile.lines(of: bytes) {
      guard let item = try reader.read(line) else { continue }
      switch item {
      case .section(let name):
        set(ConfigFile.keeper, to: ConfigFile.keeper, in: name, line: reader.number)
      case .pair(let key, let value):
        // A key without a name is dropped, as it is by rclone.
        if !key.isEmpty { set(key, to: value, in: reader.section, line: reader.number) }
      }
    }
  }

  /// Lines without their ends, without a mark of byte order before the first.
  private static func lines(of bytes: [UInt8]) -> [ArraySlice<UInt8>] {
    let mark: [UInt8] = [0xef, 0xbb, 0xbf]
    let text = bytes.starts(with: mark) ? bytes[mark.count...] : bytes[...]
    return text.split(separator: 0x0a, omittingEmptySubsequences: false)
  }

  private mutating func set(_ key: [UInt8], to value: [UInt8], in name: [UInt8], line: Int) {
    let name = name.isEmpty ? ConfigFile.defaultSection : name
    if sections[name] == nil {
      order.append(name)
      sections[name] = Section(line: line)
    }
    if sections[name]?.entries[key] == nil { sections[name]?.keys.append(key) }
    sections[name]?.entries[key] = Entry(value: value, line: line)
  }

  /// The sections in the order of the file.
  package var sectionNames: [String] { order.map { String(decoding: $0, as: UTF8.self) } }

  /// The keys of a section in the order of the file; empty for one that is not there.
  package func keys(of section: String) -> [String] {
    (sections[Array(section.utf8)]?.keys ?? []).filter { $0 != ConfigFile.keeper }
      .map { String(decoding: $0, as: UTF8.self) }
  }
}

extension ConfigFile: CustomStringConvertible, CustomReflectable {
  package var description: String { "\(path): \(order.count) sections" }
  package var customMirror: Mirror { Mirror(self, children: []) }
}

/// Where a configuration with a password would be opened: the text after the marker is base64 of a
/// nonce of 24 bytes and a secret box. Its cipher is not at hand yet, so such files are refused.
enum EncryptedConfig {
  private static let marker = Array("RCLONE_ENCRYPT_V".utf8)

  /// The line, from 1, of the marker; nil when the first line that is no comment is another one.
  static func markerLine(in bytes: [UInt8]) -> Int? {
    var number = 0
    for line in bytes.split(separator: 0x0a, omittingEmptySubsequences: false) {
      number += 1
      let text = ByteText.trimmed(line)
      guard let first = text.first else { continue }
      if first == UInt8(ascii: ";") || first == UInt8(ascii: "#") { continue }
      return text.starts(with: marker) ? number : nil
    }
    return nil
  }
}
