extension ConfigFile {
  /// A value with the line it stands in.
  package struct Value: Sendable {
    package let text: String
    package let line: Int
  }

  /// Most replacements for one value; rclone stops as well, and leaves the rest as it is.
  private static let replacementCountMax = 200
  /// Largest value: what rclone would make of one that doubles with every replacement has no use.
  private static let valueSizeBytesMax = 64 << 10
  /// Most look-ups for one value, and how deep they may lead through `DEFAULT`. rclone has no
  /// bound, and ends in an endless recursion.
  private static let lookupCountMax = 10_000
  private static let depthMax = 64

  private struct Search {
    var lookupCount = 0
    var depth = 0
  }

  /// The value of a key with `%(other)s` replaced; nil when there is none.
  ///
  /// A section `a.b` takes from `a` what it has not itself. What `%(other)s` stands for is looked
  /// up in `DEFAULT` first, then in the section.
  /// - Throws: `.endlessInterpolation`.
  package func value(of key: String, in section: String) throws(RemoteError) -> Value? {
    var search = Search()
    let entry = try value(of: Array(key.utf8), in: Array(section.utf8), &search)
    return entry.map { Value(text: String(decoding: $0.value, as: UTF8.self), line: $0.line) }
  }

  private func value(
    of key: [UInt8], in name: [UInt8], _ search: inout Search
  ) throws(RemoteError) -> Entry? {
    var name = name
    while true {
      guard let section = sections[name] else { return nil }
      if let entry = section.entries[key] { return try replaced(entry, in: name, &search) }
      guard let dot = name.lastIndex(of: UInt8(ascii: ".")) else { return nil }
      name.removeSubrange(dot...)
    }
  }

  private func replaced(
    _ entry: Entry, in name: [UInt8], _ search: inout Search
  ) throws(RemoteError) -> Entry {
    var entry = entry
    for _ in 0..<ConfigFile.replacementCountMax {
      guard let reference = ConfigFile.reference(in: entry.value) else { break }
      search.lookupCount += 1
      search.depth += 1
      defer { search.depth -= 1 }
      guard search.lookupCount <= ConfigFile.lookupCountMax, search.depth <= ConfigFile.depthMax
      else { throw .endlessInterpolation(file: path, line: entry.line) }
      let key = ConfigFile.key(of: reference)
      let meant =
        try value(of: key, in: ConfigFile.defaultSection, &search)?.value
        ?? sections[name]?.entries[key]?.value ?? []
      entry.value = ByteText.replacing(Array(reference), by: meant, in: entry.value)
      guard entry.value.count <= ConfigFile.valueSizeBytesMax else {
        throw .endlessInterpolation(file: path, line: entry.line)
      }
    }
    return entry
  }

  /// The first `%(…)s`.
  private static func reference(in value: [UInt8]) -> ArraySlice<UInt8>? {
    var rest = value[...]
    while let start = ByteText.index(of: Array("%(".utf8), in: rest) {
      let inner = value[(start + 2)...]
      guard let close = inner.firstIndex(of: UInt8(ascii: ")")) else { return nil }
      if close > inner.startIndex, close + 1 < value.endIndex, value[close + 1] == 0x73 {
        return value[start...(close + 1)]
      }
      rest = value[(start + 1)...]
    }
    return nil
  }

  /// What a reference names. rclone cuts characters, not the frame: `%(keys)s` names `key`.
  private static func key(of reference: ArraySlice<UInt8>) -> [UInt8] {
    var key = reference
    while let first = key.first, first == UInt8(ascii: "%") || first == UInt8(ascii: "(") {
      key.removeFirst()
    }
    while let last = key.last, last == UInt8(ascii: ")") || last == UInt8(ascii: "s") {
      key.removeLast()
    }
    return Array(key)
  }
}
