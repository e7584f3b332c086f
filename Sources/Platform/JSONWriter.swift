/// How a JSON text is laid out.
package enum JSONLayout: Sendable {
  /// One line without spaces.
  case compact
  /// Four spaces a level, as kubectl prints it.
  case indented
}

extension JSONValue {
  /// The value as a JSON text in UTF-8, without a newline at its end.
  package func encoded(_ layout: JSONLayout = .compact) -> [UInt8] {
    var writer = JSONWriter(layout: layout)
    writer.write(self, depth: 0)
    return writer.text
  }
}

/// A JSON string literal of `text`; YAML reads it as a double-quoted scalar with the same meaning.
package func jsonLiteral(_ text: String) -> String {
  var writer = JSONWriter(layout: .compact)
  writer.write(text)
  return String(decoding: writer.text, as: UTF8.self)
}

private struct JSONWriter {
  let layout: JSONLayout
  var text: [UInt8] = []

  init(layout: JSONLayout) { self.layout = layout }

  mutating func write(_ value: JSONValue, depth: Int) {
    switch value {
    case .null: append("null")
    case .bool(let value): append(value ? "true" : "false")
    case .integer(let value): append(String(value))
    case .double(let value): append(value.isFinite ? "\(value)" : "null")
    case .string(let value): write(value)
    case .array(let values):
      writeItems(values, "[", "]", depth: depth) { writer, value in
        writer.write(value, depth: depth + 1)
      }
    case .object(let object):
      writeItems(object.members, "{", "}", depth: depth) { writer, member in
        writer.write(member.name)
        writer.append(writer.layout == .compact ? ":" : ": ")
        writer.write(member.value, depth: depth + 1)
      }
    }
  }

  private mutating func writeItems<Item>(
    _ items: [Item], _ open: String, _ close: String, depth: Int,
    _ body: (inout JSONWriter, Item) -> Void
  ) {
    append(open)
    for (index, item) in items.enumerated() {
      if index > 0 { append(",") }
      breakLine(depth + 1)
      body(&self, item)
    }
    if !items.isEmpty { breakLine(depth) }
    append(close)
  }

  private mutating func breakLine(_ depth: Int) {
    guard layout == .indented else { return }
    append("\n" + String(repeating: "    ", count: depth))
  }

  mutating func write(_ string: String) {
    append("\"")
    for byte in string.utf8 {
      switch byte {
      case UInt8(ascii: "\""): append("\\\"")
      case UInt8(ascii: "\\"): append("\\\\")
      case 0x0a: append("\\n")
      case 0x0d: append("\\r")
      case 0x09: append("\\t")
      case 0..<0x20, 0x7f: append("\\u00" + hex([byte]))
      default: text.append(byte)
      }
    }
    append("\"")
  }

  private mutating func append(_ string: String) { text.append(contentsOf: string.utf8) }
}
