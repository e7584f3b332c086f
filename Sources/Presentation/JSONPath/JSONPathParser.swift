import Platform

/// Reads a template of kubectl's `-o jsonpath`.
///
/// Source: Kubernetes, "JSONPath Support".
struct JSONPathParser {
  private let characters: [Character]
  private var position = 0

  init(_ text: String) { characters = Array(text) }

  /// The whole template: text with expressions in braces.
  mutating func template() throws(JSONPathError) -> [JSONPathNode] {
    let nodes = try nodes(depth: 0)
    guard position == characters.count else { throw failure("{end} without {range}") }
    return nodes
  }

  /// One expression without braces, `.metadata.name` or `metadata.name`.
  mutating func expression() throws(JSONPathError) -> JSONPathQuery {
    skipBlanks()
    if let first = peek, first != ".", first != "$", first != "@", first != "[" {
      return JSONPathQuery(steps: [.field(try name())] + (try steps(depth: 0)))
    }
    let query = try query(depth: 0)
    guard position == characters.count else {
      throw failure("\"\(characters[position])\" is not expected here")
    }
    return query
  }

  // MARK: template

  private mutating func nodes(depth: Int) throws(JSONPathError) -> [JSONPathNode] {
    guard depth <= JSONPathLimits.depthMax else { throw failure("nested too deeply") }
    var nodes: [JSONPathNode] = []
    var text = ""
    while let character = peek {
      guard character == "{" else {
        text.append(character)
        position += 1
        continue
      }
      if !text.isEmpty { nodes.append(.text(text)) }
      text = ""
      if isEnd() { return nodes }
      position += 1
      try block(&nodes, depth: depth)
    }
    if !text.isEmpty { nodes.append(.text(text)) }
    return nodes
  }

  /// What stands between braces; the opening one was read.
  private mutating func block(
    _ nodes: inout [JSONPathNode], depth: Int
  ) throws(JSONPathError) {
    while true {
      skipBlanks()
      guard let character = peek else { throw failure("a { is not closed") }
      switch character {
      case "}":
        position += 1
        return
      case "\"", "'": nodes.append(.text(try quoted()))
      default:
        if takes(word: "range") {
          nodes.append(try range(depth: depth))
          return
        }
        guard ".[$@".contains(character) else {
          throw failure("\"\(character)\" does not begin a path: write {.field} or {\"text\"}")
        }
        nodes.append(.path(try query(depth: depth)))
      }
    }
  }

  /// The rest of `{range PATH}…{end}`.
  private mutating func range(depth: Int) throws(JSONPathError) -> JSONPathNode {
    skipBlanks()
    let start = position
    let query = try query(depth: depth)
    skipBlanks()
    guard takes("}") else { throw failure("the } of {range} is missing") }
    let body = try nodes(depth: depth + 1)
    guard isEnd() else { throw JSONPathError("{range} without {end}", at: start) }
    while let character = peek {
      position += 1
      if character == "}" { break }
    }
    return .range(query, body)
  }

  /// Whether `{end}` stands here; it is left there.
  private func isEnd() -> Bool {
    var rest = characters[position...]
    guard rest.popFirst() == "{" else { return false }
    rest = rest.drop(while: \.isWhitespace)
    guard rest.starts(with: "end") else { return false }
    return rest.dropFirst(3).drop(while: \.isWhitespace).first == "}"
  }

  // MARK: paths

  private mutating func query(depth: Int) throws(JSONPathError) -> JSONPathQuery {
    var query = JSONPathQuery()
    if takes("$") {
      query.isFromRoot = true
    } else {
      _ = takes("@")
    }
    query.steps = try steps(depth: depth)
    return query
  }

  private mutating func steps(depth: Int) throws(JSONPathError) -> [JSONPathStep] {
    guard depth <= JSONPathLimits.depthMax else { throw failure("nested too deeply") }
    var steps: [JSONPathStep] = []
    while let character = peek {
      switch character {
      case ".":
        position += 1
        if takes(".") { steps.append(.descent) }
        // `{.}` is the value itself, `..[0]` and `.['a']` go on in brackets.
        guard let next = peek, next != "[", next != "}", !next.isWhitespace, next != ")" else {
          continue
        }
        steps.append(takes("*") ? .all : .field(try name()))
      case "[": steps.append(try brackets(depth: depth))
      default: return steps
      }
    }
    return steps
  }

  /// A name after a dot; `\.` is a dot in it.
  private mutating func name() throws(JSONPathError) -> String {
    var name = ""
    while let character = peek {
      if character == "\\", position + 1 < characters.count {
        name.append(characters[position + 1])
        position += 2
        continue
      }
      if ".[]{}()=!<>,\"'".contains(character) || character.isWhitespace { break }
      name.append(character)
      position += 1
    }
    guard !name.isEmpty else { throw failure("a field is missing after the dot") }
    return name
  }

  private mutating func brackets(depth: Int) throws(JSONPathError) -> JSONPathStep {
    let start = position
    position += 1
    skipBlanks()
    let step: JSONPathStep
    if takes("*") {
      step = .all
    } else if takes("?") {
      step = .filter(try filter(depth: depth))
    } else {
      var parts = [try bracketPart()]
      skipBlanks()
      while takes(",") {
        skipBlanks()
        parts.append(try bracketPart())
        skipBlanks()
      }
      step = parts.count == 1 ? parts[0] : .union(parts)
    }
    skipBlanks()
    guard takes("]") else { throw JSONPathError("a [ is not closed", at: start) }
    return step
  }

  /// A quoted name, a position, or a slice.
  private mutating func bracketPart() throws(JSONPathError) -> JSONPathStep {
    if peek == "'" || peek == "\"" { return .field(try quoted()) }
    let start = try integer()
    guard takes(":") else {
      if let start { return .index(start) }
      throw failure("write a position, a slice such as 1:3, 'name', * or ?(…) in brackets")
    }
    let end = try integer()
    let step = takes(":") ? try integer() : nil
    guard step.map({ $0 > 0 }) ?? true else { throw failure("the step of a slice must be above 0") }
    return .slice(start: start, end: end, step: step ?? 1)
  }

  private mutating func filter(depth: Int) throws(JSONPathError) -> JSONPathFilter {
    guard takes("(") else { throw failure("write a filter as ?(@.field==\"value\")") }
    var filter = JSONPathFilter(left: try operand(depth: depth + 1))
    skipBlanks()
    if let operation = JSONPathFilter.Operation.allCases.first(where: { starts(with: $0.rawValue) })
    {
      position += operation.rawValue.count
      filter.comparison = (operation, try operand(depth: depth + 1))
      skipBlanks()
    }
    guard takes(")") else {
      throw failure("a filter has one comparison (== != < <= > >=) and ends with )")
    }
    return filter
  }

  private mutating func operand(depth: Int) throws(JSONPathError) -> JSONPathFilter.Operand {
    skipBlanks()
    guard let character = peek else { throw failure("a filter is not complete") }
    if character == "'" || character == "\"" { return .value(.string(try quoted())) }
    if "@$.[".contains(character) { return .query(try query(depth: depth)) }
    var word = ""
    while let character = peek, !")=!<> ".contains(character) {
      word.append(character)
      position += 1
    }
    do {
      let value = try JSONValue(parsing: word.utf8)
      guard value.arrayValue == nil, value.objectValue == nil else {
        throw failure("\"\(word)\" is no value: put a text in quotes")
      }
      return .value(value)
    } catch let error as JSONPathError {
      throw error
    } catch {
      throw failure("\"\(word)\" is no value: put a text in quotes")
    }
  }

  // MARK: characters

  private var peek: Character? { position < characters.count ? characters[position] : nil }

  private mutating func takes(_ character: Character) -> Bool {
    guard peek == character else { return false }
    position += 1
    return true
  }

  private func starts(with text: String) -> Bool { characters[position...].starts(with: text) }

  /// A word with a blank behind it.
  private mutating func takes(word: String) -> Bool {
    guard starts(with: word), position + word.count < characters.count,
      characters[position + word.count].isWhitespace
    else { return false }
    position += word.count
    return true
  }

  private mutating func skipBlanks() {
    while peek?.isWhitespace == true { position += 1 }
  }

  private mutating func integer() throws(JSONPathError) -> Int? {
    var digits = ""
    while let character = peek, character.isASCII, character.isNumber || character == "-" {
      digits.append(character)
      position += 1
    }
    if digits.isEmpty { return nil }
    guard let value = Int32(digits) else { throw failure("\"\(digits)\" is no position") }
    return Int(value)
  }

  /// A text in single or double quotes, with `\n`, `\t`, `\r` and escaped quotes.
  private mutating func quoted() throws(JSONPathError) -> String {
    let start = position
    let quote = characters[position]
    position += 1
    var text = ""
    while let character = peek {
      position += 1
      if character == quote { return text }
      guard character == "\\", let escaped = peek else {
        text.append(character)
        continue
      }
      position += 1
      switch escaped {
      case "n": text.append("\n")
      case "t": text.append("\t")
      case "r": text.append("\r")
      default: text.append(escaped)
      }
    }
    throw JSONPathError("a quote is not closed", at: start)
  }

  private func failure(_ reason: String) -> JSONPathError { JSONPathError(reason, at: position) }
}
