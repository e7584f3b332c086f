package import Manifests
package import Platform

/// An object to print, with the kind that it is of.
package struct PrintedObject: Sendable {
  package var kind: String
  package var document: JSONObject

  package init(kind: String, document: JSONObject) {
    self.kind = kind
    self.document = document
  }
}

/// Objects as `drover get` prints them.
package struct ResourcePrinter: Sendable {
  package var format: OutputFormat
  package var showsHeader = true
  package var showsNamespace = false
  /// Whether tables of several kinds name the kind before the name.
  package var showsKind = false
  package var now: WallTime

  package init(_ format: OutputFormat, now: WallTime) {
    self.format = format
    self.now = now
  }

  /// The text of all objects; `isList` when more than one could have been meant.
  package func text(
    of objects: [PrintedObject], isList: Bool, registry: KindRegistry = .standard
  ) throws(OutputError) -> String {
    switch format {
    case .table, .wide: return joined(tables(of: objects))
    case .yaml: return root(objects, isList).yamlText
    case .json:
      return String(decoding: root(objects, isList).encoded(.indented), as: UTF8.self) + "\n"
    case .name:
      return joined(objects.map { ResourcePrinter.resultName(of: $0, registry: registry) })
    case .jsonPath(let path):
      do throws(JSONPathError) {
        return try path.text(of: root(objects, isList))
      } catch {
        throw OutputError(error.message)
      }
    case .customColumns(let columns):
      return joined(try customTable(objects, columns).lines(showsHeader: showsHeader))
    }
  }

  /// `replicationsource.volsync.backube/name`.
  package static func resultName(
    of object: PrintedObject, registry: KindRegistry = .standard
  ) -> String {
    let name = object.document.text("metadata", "name") ?? ""
    return "\(registry[object.kind]?.resultName ?? object.kind.lowercased())/\(name)"
  }

  /// One table for each kind, in the order in which the kinds come, an empty line between.
  private func tables(of objects: [PrintedObject]) -> [String] {
    var kinds: [String] = []
    for object in objects where !kinds.contains(object.kind) { kinds.append(object.kind) }
    var lines: [String] = []
    for kind in kinds {
      if !lines.isEmpty { lines.append("") }
      lines += table(objects.filter { $0.kind == kind }, kind: kind).lines(showsHeader: showsHeader)
    }
    return lines
  }

  /// The table of objects of one kind.
  package func table(_ objects: [PrintedObject], kind: String) -> TextTable {
    let columns = ResourceColumns(
      of: kind, isWide: format == .wide, showsNamespace: showsNamespace)
    var table = TextTable(columns.header)
    for object in objects {
      var row = columns.row(of: object.document, now: now)
      let nameIndex = showsNamespace ? 1 : 0
      if showsKind { row[nameIndex] = ResourcePrinter.resultName(of: object) }
      table.rows.append(row)
    }
    return table
  }

  private func customTable(
    _ objects: [PrintedObject], _ columns: [CustomColumn]
  ) throws(OutputError) -> TextTable {
    var table = TextTable(columns.map(\.name))
    for object in objects {
      var row: [String] = []
      for column in columns {
        do throws(JSONPathError) {
          let values = try column.path.values(of: .object(object.document))
          let text = values.map(JSONPath.text(of:)).joined(separator: ",")
          row.append(text.isEmpty ? "<none>" : text)
        } catch {
          throw OutputError(error.message)
        }
      }
      table.rows.append(row)
    }
    return table
  }

  private func root(_ objects: [PrintedObject], _ isList: Bool) -> JSONValue {
    if !isList, let object = objects.first { return .object(object.document) }
    return .object([
      "apiVersion": .string("v1"), "kind": .string("List"),
      "items": .array(objects.map { .object($0.document) }),
    ])
  }

  private func joined(_ lines: [String]) -> String { lines.map { $0 + "\n" }.joined() }
}
