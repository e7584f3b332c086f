import ArgumentParser
import ObjectMirror
import Platform

/// `drover mirror ls`: sizes and paths of all files.
struct MirrorLsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls", abstract: "List all files below a path with their sizes.")

  @OptionGroup(title: "Choice of files") var choice: MirrorFilterArguments
  @OptionGroup(title: "All commands") var arguments: MirrorArguments

  @Argument(help: ArgumentHelp("A directory, or REMOTE:BUCKET/PATH.", valueName: "path"))
  var path: String

  func run() throws {
    try MirrorListing.run(arguments, choice, path) { runner, _, entry in
      guard !entry.isDirectory else { return }
      let size = String(entry.sizeBytes)
      let blanks = String(repeating: " ", count: max(0, 9 - size.count))
      runner.output.result("\(blanks)\(size) \(printable(entry.path))")
    }
  }
}

/// `drover mirror lsjson`: one array with an object for each entry.
struct MirrorLsJSONCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lsjson",
    abstract: "List what stands in a path as JSON.",
    discussion: """
      The time of an object in a store costs a request each; --no-modtime leaves times out.
      """)

  @Flag(name: [.customShort("R"), .long], help: "List what is below directories too.")
  var recursive = false

  @Flag(help: "Leave times out.")
  var noModtime = false

  @Flag(help: "List files only.")
  var filesOnly = false

  @Flag(help: "List directories only.")
  var dirsOnly = false

  @OptionGroup(title: "Choice of files") var choice: MirrorFilterArguments
  @OptionGroup(title: "All commands") var arguments: MirrorArguments

  @Argument(help: ArgumentHelp("A directory, or REMOTE:BUCKET/PATH.", valueName: "path"))
  var path: String

  func run() throws {
    let types = MediaTypes.ofSystem()
    Console.standard.print("[")
    // The one before is printed when it is known whether a comma follows.
    var line: String?
    try MirrorListing.run(arguments, choice, path) { runner, contents, entry in
      if !recursive, entry.path.contains(0x2f) { return }
      if filesOnly && entry.isDirectory || dirsOnly && !entry.isDirectory { return }
      var modified: WallTime?
      if !noModtime {
        modified = try arguments.useServerModtime ? entry.modified : contents.modified(entry)
      }
      if let line { runner.output.result(line + ",") }
      line = text(entry, types, modified)
    } end: {
      if let line { Console.standard.print(line) }
      Console.standard.print("]")
    }
  }

  private func text(_ entry: MirrorEntry, _ types: MediaTypes, _ modified: WallTime?) -> String {
    let name = entry.path[((entry.path.lastIndex(of: 0x2f) ?? -1) + 1)...]
    var object: JSONObject = [
      "Path": .string(String(decoding: entry.path, as: UTF8.self)),
      "Name": .string(String(decoding: name, as: UTF8.self)),
      "Size": .integer(entry.isDirectory ? -1 : entry.sizeBytes),
      "MimeType": .string(
        entry.isDirectory ? "inode/directory" : types.type(ofName: entry.path)),
    ]
    if !noModtime { object["ModTime"] = .string(modified.map(ZonedTime.text(of:)) ?? "") }
    object["IsDir"] = .bool(entry.isDirectory)
    return String(decoding: JSONValue.object(object).encoded(), as: UTF8.self)
  }
}

/// `drover mirror size`: how many files, and how large.
struct MirrorSizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "size", abstract: "Count the files below a path and their bytes.")

  @OptionGroup(title: "Choice of files") var choice: MirrorFilterArguments
  @OptionGroup(title: "All commands") var arguments: MirrorArguments

  @Argument(help: ArgumentHelp("A directory, or REMOTE:BUCKET/PATH.", valueName: "path"))
  var path: String

  func run() throws {
    var (count, bytes): (Int64, Int64) = (0, 0)
    try MirrorListing.run(arguments, choice, path) { _, _, entry in
      guard !entry.isDirectory else { return }
      count += 1
      bytes += entry.sizeBytes
    } end: {
      guard !arguments.json else {
        let object: JSONObject = ["count": .integer(count), "bytes": .integer(bytes)]
        Console.standard.print(
          String(decoding: JSONValue.object(object).encoded(), as: UTF8.self))
        return
      }
      Console.standard.print("Total objects: \(count)")
      Console.standard.print("Total size: \(MirrorText.bytes(bytes)) (\(bytes) Byte)")
    }
  }
}

/// What the commands that list do alike.
enum MirrorListing {
  static func run(
    _ arguments: MirrorArguments, _ choice: MirrorFilterArguments, _ path: String,
    _ visit: (MirrorRunner, SideContents, MirrorEntry) throws -> Void,
    end: () -> Void = {}
  ) throws {
    try MirrorRunner.end(arguments) { runner in
      let output = runner.output
      let failures = FailureCount()
      var contents = SideContents(try runner.side(path), filter: try choice.read()) { remark in
        switch remark {
        case .failed(let error):
          failures.add()
          output.error(error.description)
        case .passedOver(let name, let reason):
          output.info("\(printable(name)): left out: \(reason)")
        }
      }
      contents.depthMax = choice.depthMax
      contents.usesServerTimes = arguments.useServerModtime
      var failure: (any Error)?
      try contents.forEach { entry in
        if runner.isInterrupted() || Console.standard.hasLostReader { return false }
        do { try visit(runner, contents, entry) } catch { failure = error }
        return failure == nil
      }
      if let failure { throw failure }
      if runner.isInterrupted() { throw MirrorError.cancelled }
      end()
      return failures.count > 0 ? .failed : .done
    }
  }

  private final class FailureCount: @unchecked Sendable {
    private let lock = Lock()
    private var value = 0
    var count: Int { lock.withLock { value } }
    func add() { lock.withLock { value += 1 } }
  }
}
