import Platform

/// Content types by the end of a name, as rclone sends them: a built-in table, then the tables of
/// the system, which count for more.
package struct MediaTypes: Sendable {
  package static let unknown = "application/octet-stream"

  private static let builtin: [String: String] = [
    "avif": "image/avif", "css": "text/css; charset=utf-8", "gif": "image/gif",
    "htm": "text/html; charset=utf-8", "html": "text/html; charset=utf-8",
    "jpeg": "image/jpeg", "jpg": "image/jpeg", "js": "text/javascript; charset=utf-8",
    "json": "application/json", "mjs": "text/javascript; charset=utf-8",
    "pdf": "application/pdf", "png": "image/png", "svg": "image/svg+xml",
    "wasm": "application/wasm", "webp": "image/webp", "xml": "text/xml; charset=utf-8",
  ]
  private static let fileSizeBytesMax = 16 << 20

  private var types = MediaTypes.builtin

  package init() {}

  /// The tables of this machine: the first of the shared MIME database that is there, else the
  /// lists of `mime.types`. Reads files; blocks.
  package static func ofSystem() -> MediaTypes {
    var result = MediaTypes()
    for path in ["/usr/local/share/mime/globs2", "/usr/share/mime/globs2"] {
      guard let text = read(path) else { continue }
      result.addGlobs(text)
      return result
    }
    for path in [
      "/etc/mime.types", "/etc/apache2/mime.types", "/etc/apache/mime.types",
      "/etc/httpd/conf/mime.types",
    ] {
      if let text = read(path) { result.addList(text) }
    }
    return result
  }

  private static func read(_ path: String) -> String? {
    // A table that is not there, or is none, is no failure.
    guard let bytes = try? SmallFile.read(path, sizeBytesMax: fileSizeBytesMax) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Adds lines such as `50:text/plain:*.txt`; the first for an ending counts.
  package mutating func addGlobs(_ text: String) {
    var seen: Set<String> = []
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      let fields = line.split(separator: ":", omittingEmptySubsequences: false)
      guard fields.count >= 3, fields[2].hasPrefix("*.") else { continue }
      let ending = fields[2].dropFirst(2)
      guard !ending.isEmpty, !ending.contains(where: { "?*[.".contains($0) }),
        seen.insert(String(ending)).inserted
      else { continue }
      add(String(ending), String(fields[1]))
    }
  }

  /// Adds lines such as `text/plain  txt text`.
  package mutating func addList(_ text: String) {
    for line in text.split(separator: "\n") {
      let fields = line.prefix { $0 != "#" }.split { $0 == " " || $0 == "\t" }
      guard let type = fields.first, type.contains("/") else { continue }
      for ending in fields.dropFirst() { add(String(ending), String(type)) }
    }
  }

  private mutating func add(_ ending: String, _ type: String) {
    guard type.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return }
    types[ending] = type.hasPrefix("text/") ? type + "; charset=utf-8" : type
  }

  /// The type for a name: by its ending, or by that in lower case.
  package func type(ofName path: [UInt8]) -> String {
    let name = path[((path.lastIndex(of: 0x2f) ?? -1) + 1)...]
    guard let dot = name.lastIndex(of: UInt8(ascii: ".")),
      let ending = String(validating: name[(dot + 1)...], as: UTF8.self)
    else { return MediaTypes.unknown }
    return types[ending] ?? types[ending.lowercased()] ?? MediaTypes.unknown
  }
}
