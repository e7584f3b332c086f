import Manifests
import Platform
import Presentation
import StateStore

/// `drover get --watch`: what is there, then each change.
final class ObjectWatch {
  private let finder: ObjectFinder
  private let requests: [ResourceRequest]
  private let printer: ResourcePrinter
  private var first: [PrintedObject] = []
  private var isComplete = false
  private var widths: [Int] = []
  private var failure: (any Error)?

  init(_ finder: ObjectFinder, _ requests: [ResourceRequest], _ printer: ResourcePrinter) throws {
    guard Set(requests.map(\.kind)).count == 1 else {
      throw OutputError("--watch takes one kind")
    }
    self.finder = finder
    self.requests = requests
    self.printer = printer
  }

  func run() throws {
    let names = Set(requests.compactMap(\.name))
    try finder.client.watch(kind: requests[0].kind, namespace: finder.namespace) { notice in
      guard let notice else { return self.endOfList() }
      let object = notice.object
      guard names.isEmpty || names.contains(object.key.name) else { return true }
      // What is deleted is told by its key alone.
      guard notice.change != .deleted else { return self.tell(deleted: object.key) }
      guard self.finder.isChosen(object.document) else { return true }
      guard self.isComplete else {
        self.first.append(PrintedObject(object))
        return true
      }
      return self.tell([PrintedObject(object)], showsHeader: false)
    }
    if let failure { throw failure }
  }

  private func endOfList() -> Bool {
    isComplete = true
    return tell(first, showsHeader: printer.showsHeader)
  }

  private func tell(deleted key: ObjectKey) -> Bool {
    guard isComplete else { return true }
    switch printer.format {
    case .table, .wide: return print(lines: ["\(key.kind)/\(key.name) deleted"])
    default: return !Console.standard.hasLostReader
    }
  }

  /// Whether the watch goes on: somebody has to read it.
  private func tell(_ objects: [PrintedObject], showsHeader: Bool) -> Bool {
    var printer = printer
    printer.now = .now()
    switch printer.format {
    case .table, .wide:
      let table = printer.table(objects, kind: requests[0].kind)
      return print(lines: table.lines(showsHeader: showsHeader, widths: &widths))
    default:
      printer.showsHeader = showsHeader
      do {
        for object in objects {
          let text = try printer.text(of: [object], isList: false)
          let start = printer.format == .yaml ? "---\n" : ""
          Console.standard.printText(start + text)
          printer.showsHeader = false
        }
      } catch {
        failure = error
        return false
      }
      Console.standard.flush()
      return !Console.standard.hasLostReader
    }
  }

  private func print(lines: [String]) -> Bool {
    for line in lines { Console.standard.print(line) }
    Console.standard.flush()
    return !Console.standard.hasLostReader
  }
}
