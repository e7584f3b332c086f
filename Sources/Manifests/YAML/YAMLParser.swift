import CYAML
import Platform

/// Parses every document of a YAML text into nodes with marks.
///
/// Bounded by ``ManifestLimits``; aliases are counted with all they stand for, so that a small
/// file cannot grow into a large tree. Tags other than the standard ones and merge keys are
/// refused.
package func parseYAML(_ text: [UInt8], file: String) throws(ManifestError) -> [YAMLNode] {
  guard text.count <= ManifestLimits.fileSizeBytesMax else {
    throw .invalid([.tooLarge(file)])
  }
  let reader = YAMLReader(text: text, file: file)
  do {
    return try reader.readDocuments()
  } catch {
    throw .invalid([error])
  }
}

extension Problem: Error {}

extension Problem {
  static func tooLarge(_ file: String) -> Problem {
    let limit = ManifestLimits.fileSizeBytesMax >> 20
    return Problem(
      Mark(file: file, line: 1, column: 1),
      "the file is larger than \(limit) MiB: is it a manifest? Split it if it is")
  }
}

/// One event of libyaml, without its C types.
private enum YAMLEvent {
  case streamStart, streamEnd, documentStart, documentEnd
  case alias(String)
  case scalar(String, isPlain: Bool, anchor: String?)
  case sequenceStart(anchor: String?)
  case sequenceEnd
  case mappingStart(anchor: String?)
  case mappingEnd
}

private struct OpenCollection {
  let isMapping: Bool
  let anchor: String?
  let mark: Mark
  var items: [YAMLNode] = []
}

private final class YAMLReader {
  private let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
  private let input: UnsafeMutableBufferPointer<UInt8>
  private let file: String
  private var anchors: [String: YAMLNode] = [:]
  private var stack: [OpenCollection] = []
  private var root: YAMLNode?
  private var nodeCount = 0

  init(text: [UInt8], file: String) {
    self.file = file
    input = .allocate(capacity: text.count)
    _ = input.initialize(from: text)
    parser.initialize(to: yaml_parser_t())
    let code = yaml_parser_initialize(parser)
    precondition(code == 1, "yaml_parser_initialize: out of memory")
    yaml_parser_set_input_string(parser, input.baseAddress, input.count)
  }

  deinit {
    yaml_parser_delete(parser)
    parser.deallocate()
    input.deallocate()
  }

  func readDocuments() throws(Problem) -> [YAMLNode] {
    var documents: [YAMLNode] = []
    while true {
      let (event, mark) = try nextEvent()
      switch event {
      case .streamEnd: return documents
      case .streamStart: continue
      case .documentStart:
        anchors = [:]
        root = nil
      case .documentEnd:
        guard let root, !root.isNull else { continue }
        guard documents.count < ManifestLimits.documentCountMax else {
          throw Problem(mark, "more than \(ManifestLimits.documentCountMax) documents")
        }
        documents.append(root)
      case .alias(let name):
        guard let node = anchors[name] else {
          throw Problem(mark, "no anchor \"\(name)\" stands before: write the value out")
        }
        try place(node, at: mark, isAlias: true)
      case .scalar(let text, let isPlain, let anchor):
        let node = YAMLNode(.scalar(text, isPlain: isPlain), mark: mark)
        if let anchor { anchors[anchor] = node }
        try place(node, at: mark, isAlias: false)
      case .sequenceStart(let anchor): try open(isMapping: false, anchor: anchor, mark: mark)
      case .mappingStart(let anchor): try open(isMapping: true, anchor: anchor, mark: mark)
      case .sequenceEnd, .mappingEnd: try closeCollection(at: mark)
      }
    }
  }

  private func open(isMapping: Bool, anchor: String?, mark: Mark) throws(Problem) {
    guard stack.count < ManifestLimits.depthMax else { throw tooDeep(mark) }
    stack.append(OpenCollection(isMapping: isMapping, anchor: anchor, mark: mark))
  }

  private func tooDeep(_ mark: Mark) -> Problem {
    Problem(mark, "nested deeper than \(ManifestLimits.depthMax) levels")
  }

  private func closeCollection(at mark: Mark) throws(Problem) {
    guard let open = stack.popLast() else { throw Problem(mark, "not valid YAML") }
    let node: YAMLNode
    if open.isMapping {
      var entries: [YAMLEntry] = []
      for index in stride(from: 0, to: open.items.count - 1, by: 2) {
        entries.append(YAMLEntry(key: open.items[index], value: open.items[index + 1]))
      }
      try checkKeys(of: entries)
      node = YAMLNode(.mapping(entries), mark: open.mark)
    } else {
      node = YAMLNode(.sequence(open.items), mark: open.mark)
    }
    if let anchor = open.anchor { anchors[anchor] = node }
    try place(node, at: mark, isAlias: false)
  }

  private func checkKeys(of entries: [YAMLEntry]) throws(Problem) {
    for entry in entries {
      guard case .scalar(let text, let isPlain) = entry.key.content else {
        throw Problem(entry.key.mark, "a key must be a plain name")
      }
      if text == "<<", isPlain {
        throw Problem(entry.key.mark, "merge keys (<<) are not supported: write the fields out")
      }
    }
  }

  /// Puts a finished node into the collection it stands in.
  private func place(_ node: YAMLNode, at mark: Mark, isAlias: Bool) throws(Problem) {
    nodeCount += isAlias ? node.weight : 1
    guard nodeCount <= ManifestLimits.nodeCountMax else {
      let limit = ManifestLimits.nodeCountMax
      throw Problem(
        mark, "more than \(limit) nodes, aliases counted with what they stand for: write it out")
    }
    guard stack.count + node.height <= ManifestLimits.depthMax + 1 else { throw tooDeep(mark) }
    guard let last = stack.indices.last else {
      root = node
      return
    }
    stack[last].items.append(node)
  }

  // MARK: libyaml

  private func nextEvent() throws(Problem) -> (YAMLEvent, Mark) {
    var event = yaml_event_t()
    guard yaml_parser_parse(parser, &event) == 1 else { throw syntaxProblem() }
    defer { yaml_event_delete(&event) }
    let mark = Mark(
      file: file, line: Int(event.start_mark.line) + 1, column: Int(event.start_mark.column) + 1)
    return (try decode(event, at: mark), mark)
  }

  private func decode(_ event: yaml_event_t, at mark: Mark) throws(Problem) -> YAMLEvent {
    switch event.type {
    case YAML_STREAM_START_EVENT: return .streamStart
    case YAML_STREAM_END_EVENT: return .streamEnd
    case YAML_DOCUMENT_START_EVENT: return .documentStart
    case YAML_DOCUMENT_END_EVENT: return .documentEnd
    case YAML_ALIAS_EVENT: return .alias(string(event.data.alias.anchor) ?? "")
    case YAML_SCALAR_EVENT: return try decodeScalar(event.data.scalar, at: mark)
    case YAML_SEQUENCE_START_EVENT:
      try checkTag(string(event.data.sequence_start.tag), ["seq"], at: mark)
      return .sequenceStart(anchor: string(event.data.sequence_start.anchor))
    case YAML_SEQUENCE_END_EVENT: return .sequenceEnd
    case YAML_MAPPING_START_EVENT:
      try checkTag(string(event.data.mapping_start.tag), ["map"], at: mark)
      return .mappingStart(anchor: string(event.data.mapping_start.anchor))
    case YAML_MAPPING_END_EVENT: return .mappingEnd
    default: throw Problem(mark, "not valid YAML")
    }
  }

  private typealias ScalarData = yaml_event_t.__Unnamed_union_data.__Unnamed_struct_scalar

  private func decodeScalar(_ scalar: ScalarData, at mark: Mark) throws(Problem) -> YAMLEvent {
    let buffer = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
    guard let text = String(validating: buffer, as: UTF8.self) else {
      throw Problem(mark, "not UTF-8")
    }
    let tag = string(scalar.tag)
    try checkTag(tag, ["str", "int", "bool", "float", "null"], at: mark)
    let isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE && tag != standardTag("str")
    return .scalar(text, isPlain: isPlain, anchor: string(scalar.anchor))
  }

  private func checkTag(_ tag: String?, _ names: [String], at mark: Mark) throws(Problem) {
    guard let tag, tag != "!", !names.contains(where: { tag == standardTag($0) }) else { return }
    throw Problem(mark, "the tag \(tag) is not supported: remove it")
  }

  private func standardTag(_ name: String) -> String { "tag:yaml.org,2002:\(name)" }

  private func string(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
    pointer.map { String(cString: $0) }
  }

  private func syntaxProblem() -> Problem {
    let state = parser.pointee
    let reason = state.problem.map { String(cString: $0) } ?? "not valid YAML"
    let context = state.context.map { String(cString: $0) + ": " } ?? ""
    let mark = Mark(
      file: file, line: Int(state.problem_mark.line) + 1,
      column: Int(state.problem_mark.column) + 1)
    let advice = YAMLReader.advice[reason].map { ": \($0)" } ?? ""
    return Problem(mark, "not valid YAML: \(context)\(reason)\(advice)")
  }

  /// What libyaml's words mean for whoever wrote the file.
  private static let advice = [
    "did not find expected alphabetic or numeric character":
      "put a text that begins with * or & in quotes",
    "mapping values are not allowed in this context":
      "one line has one \"name: value\"; put a value that has \": \" in it in quotes",
    "did not find expected key": "the line is indented otherwise than those it belongs to",
    "found character that cannot start any token":
      "indent by blanks, not tabs; put a text that begins with @, ` or % in quotes",
    "invalid leading UTF-8 octet": "save the file as UTF-8",
    "invalid trailing UTF-8 octet": "save the file as UTF-8",
    "found unexpected end of stream": "the file ends within a text in quotes",
    "did not find expected ',' or ']'": "a list in brackets is not closed",
    "did not find expected ',' or '}'": "a mapping in braces is not closed",
  ]
}
