import ArgumentParser
import Manifests
import Platform
import StateStore

/// `drover apply`: objects of files, stored for the daemon.
struct ApplyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply",
    abstract: "Store what manifest files ask for, for the daemon to run.",
    discussion: """
      Everything is checked before anything is stored: a refusal names file, line and field. The \
      objects are kept as they are written. Without a daemon they are stored for the next one.
      """)

  @OptionGroup var options: StateOptions

  @Option(
    name: [.customShort("f"), .customLong("filename")], parsing: .upToNextOption,
    help: ArgumentHelp(
      "A manifest file, a directory of them, or - for standard input; may be repeated.",
      valueName: "file"))
  var files: [String] = []

  func validate() throws {
    if files.isEmpty { throw ValidationError("name at least one file: -f FILE") }
  }

  func run() throws {
    let files = try options.manifestFiles(self.files)
    let changes = try options.client().apply(files, namespace: options.namespace ?? "default")
    for change in changes { Console.standard.print(change.resultText) }
    Console.standard.flush()
    let loader = ManifestLoader(namespace: options.namespace ?? "default")
    for notice in loader.decodeEach(files.map { ($0.name, $0.text) }).set.notServed {
      Console.standard.complain("warning: \(notice)")
    }
  }
}

/// `drover delete`: objects and all that is kept of them.
struct DeleteCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete",
    abstract: "Delete objects, with their status, history and log; volumes stay.",
    discussion: "A run under way is cancelled. Names are KIND NAME…, KIND/NAME…, or those of files."
  )

  @OptionGroup var options: StateOptions

  @Option(
    name: [.customShort("f"), .customLong("filename")], parsing: .upToNextOption,
    help: ArgumentHelp("Delete the objects of these files.", valueName: "file"))
  var files: [String] = []

  @Argument(help: ArgumentHelp("What to delete.", valueName: "kind name"))
  var names: [String] = []

  @Flag(name: .customLong("ignore-not-found"), help: "It is no failure when nothing is there.")
  var ignoresMissing = false

  func validate() throws {
    if files.isEmpty == names.isEmpty {
      throw ValidationError("name either files, -f FILE, or objects: KIND NAME")
    }
    if names.count == 1, names[0].split(separator: "/").count != 2 {
      throw ValidationError("name what to delete: KIND NAME or KIND/NAME")
    }
  }

  func run() throws {
    let client = try options.client()
    var missing: StateError?
    for key in try keys() {
      do throws(StateError) {
        for change in try client.delete([key]) {
          // kubectl says it in this way.
          Console.standard.print("\(change.key.kindResultName) \"\(key.name)\" deleted")
        }
      } catch {
        guard error.kind == .notFound else { throw error }
        if !ignoresMissing { Console.standard.report(error) }
        missing = missing ?? error
      }
    }
    Console.standard.flush()
    if missing != nil, !ignoresMissing { throw ExitCode(ExitStatus.failed.rawValue) }
  }

  private func keys() throws -> [ObjectKey] {
    if !files.isEmpty {
      let files = try options.manifestFiles(self.files)
      let loader = ManifestLoader(namespace: options.namespace ?? "default")
      // What runs goes before what it refers to.
      return try loader.decode(files.map { ($0.name, $0.text) }).objects.map(\.key).reversed()
    }
    if names.allSatisfy({ $0.contains("/") }) {
      return try names.map { name in
        let parts = name.split(separator: "/", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { throw ValidationError("\(name) is not KIND/NAME") }
        return try options.key(kind: parts[0], name: parts[1])
      }
    }
    return try names.dropFirst().map { try options.key(kind: names[0], name: $0) }
  }
}

extension StateOptions {
  /// The texts of files; an object of another namespace than the one that is asked for is refused,
  /// as kubectl does.
  func manifestFiles(_ paths: [String]) throws -> [ManifestFile] {
    let files = try ManifestLoader().read(paths).map { ManifestFile(name: $0.name, text: $0.text) }
    guard let namespace else { return files }
    let loader = ManifestLoader(namespace: namespace)
    let (set, _) = loader.decodeEach(files.map { ($0.name, $0.text) })
    let problems = set.objects.compactMap { object -> Problem? in
      guard let other = object.key.namespace, other != namespace else { return nil }
      return Problem(
        object.mark, object: "\(object.key.kind)/\(object.key.name)", path: "metadata.namespace",
        "is \"\(other)\", but -n asks for \"\(namespace)\"")
    }
    if !problems.isEmpty { throw StateError.invalid(problems) }
    return files
  }
}

extension ObjectKey {
  fileprivate var kindResultName: String {
    KindRegistry.standard[kind]?.resultName ?? kind.lowercased()
  }
}
