import Manifests
import Platform

/// The text of an object's file: that of the user as far as it says the same, else printed anew.
enum ObjectText {
  /// The text to store for an object that stands in a line of a text.
  static func stored(_ document: JSONObject, from text: [UInt8], line: Int) -> [UInt8] {
    let slice = piece(of: text, around: line)
    return says(slice, document) ? slice : Array(JSONValue.object(document).yamlText.utf8)
  }

  /// The text with a field of the spec set or taken away; comments stay where that can be done by
  /// one line. `document` is the object with the field changed.
  static func edited(
    _ text: [UInt8], path: [String], value: JSONValue?, to document: JSONObject
  ) -> [UInt8] {
    for candidate in edits(text, path: path, value: value) where says(candidate, document) {
      return candidate
    }
    return Array(JSONValue.object(document).yamlText.utf8)
  }

  /// Whether a text is one document that says the same, but for its namespace, which may be that
  /// of its place.
  private static func says(_ text: [UInt8], _ document: JSONObject) -> Bool {
    // A piece that is no YAML is not the object.
    guard let nodes = try? parseYAML(text, file: ""), nodes.count == 1,
      var found = nodes[0].jsonValue.objectValue
    else { return false }
    if let namespace = document["metadata"]?.objectValue?["namespace"],
      var metadata = found["metadata"]?.objectValue, metadata["namespace"] == nil
    {
      metadata["namespace"] = namespace
      found["metadata"] = .object(metadata)
    }
    return JSONValue.object(found).sorted == JSONValue.object(document).sorted
  }

  /// The lines between the marks of documents; the line counts from 1.
  private static func piece(of text: [UInt8], around line: Int) -> [UInt8] {
    let lines = text.split(separator: 0x0a, omittingEmptySubsequences: false)
    // A line that starts with three dashes starts a document, whatever is open.
    let isMark = { (index: Int) in lines[index].starts(with: "---".utf8) }
    guard lines.indices.contains(line - 1) else { return text }
    var first = line - 1
    while first > 0, !isMark(first) { first -= 1 }
    var end = line
    while end < lines.count, !isMark(end) { end += 1 }
    if isMark(first), lines[first].count <= 4 { first += 1 }
    var slice = Array(lines[first..<max(first, end)].joined(separator: [0x0a]))
    if slice.last != 0x0a { slice.append(0x0a) }
    return slice
  }

  /// Texts in which one line is changed, put in or taken out; some say what is wanted.
  private static func edits(
    _ text: [UInt8], path: [String], value: JSONValue?
  ) -> [[UInt8]] {
    guard let name = path.last else { return [] }
    let lines = text.split(separator: 0x0a, omittingEmptySubsequences: false).map(Array.init)
    let scalar = value.map { String(JSONValue.array([$0]).yamlText.dropFirst(2).dropLast()) }
    var results: [[UInt8]] = []
    func add(_ lines: [[UInt8]]) { results.append(Array(lines.joined(separator: [0x0a]))) }
    for (index, line) in lines.enumerated() {
      let indent = line.prefix { $0 == 0x20 }
      let content = String(decoding: line.dropFirst(indent.count), as: UTF8.self)
      if content.hasPrefix("\(name):") {
        var changed = lines
        if let scalar {
          let comment = content.firstRange(of: " #").map { content[$0.lowerBound...] } ?? ""
          changed[index] = indent + Array("\(name): \(scalar)\(comment)".utf8)
        } else {
          changed.remove(at: index)
        }
        add(changed)
      }
      if let scalar, path.count > 1, content.hasPrefix("\(path[path.count - 2]):") {
        for deeper in ["  ", "    "] {
          var changed = lines
          changed.insert(indent + Array("\(deeper)\(name): \(scalar)".utf8), at: index + 1)
          add(changed)
        }
      }
    }
    return results
  }
}
