import Platform

/// The name of an object: components joined by `/`, compared as UTF-8 bytes.
///
/// Every key is a relative path that stays below the store's root: no empty component, no `.` or
/// `..`, no NUL, no leading or trailing slash.
package struct ObjectKey: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The longest key in bytes: the limit of S3.
  package static let byteCountMax = 1024

  /// The key as it is stored.
  package let text: String

  /// Checks a key.
  /// - Throws: ``ObjectStoreError/invalidKey(_:problem:)``.
  package init(_ text: String) throws(ObjectStoreError) {
    if let problem = ObjectKey.problem(of: text.utf8) {
      throw .invalidKey(printable(text.utf8), problem: problem)
    }
    self.text = text
  }

  /// The key of stored bytes; nil when they are none, or not UTF-8.
  package init?(bytes: some Collection<UInt8>) {
    guard ObjectKey.problem(of: bytes) == nil, let text = String(validating: bytes, as: UTF8.self)
    else { return nil }
    self.text = text
  }

  /// The last component.
  package var name: Substring { text[nameStart...] }

  /// Everything before the last slash; empty for a key of one component.
  package var folder: Substring {
    nameStart == text.startIndex ? "" : text[..<text.utf8.index(before: nameStart)]
  }

  private var nameStart: String.Index {
    let slash = text.utf8.lastIndex(of: UInt8(ascii: "/"))
    return slash.map { text.utf8.index(after: $0) } ?? text.startIndex
  }

  package var description: String { printable(text.utf8) }

  // Text of Swift compares by canonical equivalence; two keys are one only byte by byte.
  package static func == (a: ObjectKey, b: ObjectKey) -> Bool {
    a.text.utf8.elementsEqual(b.text.utf8)
  }

  package static func < (a: ObjectKey, b: ObjectKey) -> Bool {
    a.text.utf8.lexicographicallyPrecedes(b.text.utf8)
  }

  package func hash(into hasher: inout Hasher) {
    for byte in text.utf8 { hasher.combine(byte) }
  }

  /// What is wrong with a key; nil when nothing is.
  static func problem(of bytes: some Collection<UInt8>) -> String? {
    if bytes.isEmpty { return "it is empty" }
    return commonProblem(of: bytes)
      ?? bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
      .lazy.compactMap { problem(ofComponent: $0) }.first
  }

  fileprivate static func commonProblem(of bytes: some Collection<UInt8>) -> String? {
    if bytes.count > byteCountMax { return "it is longer than \(byteCountMax) bytes" }
    if bytes.contains(0) { return "it holds a NUL" }
    if bytes.first == UInt8(ascii: "/") { return "it starts with a slash" }
    return nil
  }

  fileprivate static func problem(ofComponent bytes: some Collection<UInt8>) -> String? {
    if bytes.isEmpty { return "it has an empty component" }
    let dot = UInt8(ascii: ".")
    return bytes.count <= 2 && bytes.allSatisfy { $0 == dot } ? "a component is . or .." : nil
  }
}

/// What keys have to start with in a listing: text, not components, so `data/0` matches `data/0a`.
package struct ObjectPrefix: Hashable, Sendable, CustomStringConvertible {
  /// Every key of a store.
  package static let all = ObjectPrefix(checked: "")

  package let text: String

  private init(checked text: String) { self.text = text }

  /// Checks a prefix: what stands before its last slash has to be a key.
  /// - Throws: ``ObjectStoreError/invalidKey(_:problem:)``.
  package init(_ text: String) throws(ObjectStoreError) {
    let slash = text.utf8.lastIndex(of: UInt8(ascii: "/"))
    let problem =
      ObjectKey.commonProblem(of: text.utf8)
      ?? slash.flatMap { ObjectKey.problem(of: text.utf8[..<$0]) }
    if let problem { throw .invalidKey(printable(text.utf8), problem: problem) }
    self.text = text
  }

  /// All keys below a folder, at any depth.
  package init(folder: ObjectKey) { text = folder.text + "/" }

  package var description: String { printable(text.utf8) }

  package func matches(_ key: ObjectKey) -> Bool { key.text.utf8.starts(with: text.utf8) }

  /// Everything before the last slash, empty without one: where a listing has to look.
  var folder: Substring {
    text.utf8.lastIndex(of: UInt8(ascii: "/")).map { text[..<$0] } ?? ""
  }
}
