import ArgumentParser
import BackupRepository
import Platform

/// `drover repo cat`: a part of the repository as it is.
struct RepoCatCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cat",
    abstract: "Print a part of the repository: opened, and JSON in lines.",
    discussion: """
      A tree is named by a snapshot, with a folder if wanted. Packs and blobs are printed as \
      bytes. The master key opens everything: do not leave it in a log.

      Examples:
        drover repo -r /srv/backup cat config
        drover repo -r /srv/backup cat snapshot latest
        drover repo -r /srv/backup cat tree latest:/srv/web
        drover repo -r /srv/backup cat blob 4f2a…
      """)

  enum Part: String, ExpressibleByArgument, CaseIterable {
    case config, masterkey, key, index, snapshot, lock, pack, blob, tree

    var hasName: Bool { self != .config && self != .masterkey }
  }

  @OptionGroup(title: "Choice of snapshots, for latest") var choice: RepoFilterOptions
  @OptionGroup(title: "All commands") var options: RepoOptions

  @Argument(
    help: ArgumentHelp(
      "config, masterkey, key, index, snapshot, lock, pack, blob or tree.", valueName: "part"))
  var part: Part

  @Argument(help: ArgumentHelp("Identifier; of a tree, a snapshot's.", valueName: "id"))
  var name: String?

  func validate() throws {
    guard part.hasName == (name != nil) else {
      throw ValidationError(
        part.hasName
          ? "which \(part.rawValue)? Name it by its identifier" : "\(part.rawValue) takes no name")
    }
  }

  func run() throws {
    try RepoRun.end(options) { run in
      try run.withRepository(.shared, isReader: true) { try print(run, $0) }
    }
  }

  private func print(_ run: RepoRun, _ repository: Repository) throws -> RepoExitStatus {
    let contents = try RepositoryInspection(repository)
    let name = name ?? ""
    switch part {
    case .config: print(repository.config.encoded())
    case .masterkey: print(contents.masterKey)
    case .key: print(try contents.keyFile(try contents.find(KeyID.self, prefix: name)))
    case .index: print(try contents.json(try contents.find(IndexID.self, prefix: name)))
    case .lock: print(try contents.json(try contents.find(LockID.self, prefix: name)))
    case .snapshot:
      let all = try run.snapshots(repository)
      print(try contents.json(try run.snapshot(name, in: all, choice.filter).snapshot.id))
    case .tree:
      let all = try run.snapshots(repository)
      let found = try run.snapshot(name, in: all, choice.filter)
      let tree = try contents.folder(found.subfolder ?? "", of: found.snapshot.record)
      try RepoCatCommand.write(try contents.blob(BlobHandle(.tree, tree)))
    case .blob:
      guard let id = BlobID(hex: name) else {
        throw RepositoryError.usage("a blob is named by all of its 64 digits")
      }
      try RepoCatCommand.write(try contents.blob(id))
    case .pack: return try printPack(run, contents, name)
    }
    return .done
  }

  private func print(_ json: [UInt8]) {
    Console.standard.print(String(decoding: RepoJSONText.indented(json), as: UTF8.self))
  }

  private func printPack(
    _ run: RepoRun, _ contents: RepositoryInspection, _ name: String
  ) throws -> RepoExitStatus {
    let id = try contents.find(PackID.self, prefix: name)
    var failure: PlatformError?
    let isSound = try contents.pack(id) { bytes in
      do throws(PlatformError) { try RepoCatCommand.write(Array(bytes)) } catch { failure = error }
    }
    if let failure { throw RepositoryError.platform(failure) }
    guard !isSound else { return .done }
    run.output.warn("the SHA-256 of pack \(id.short) is not its name")
    return .failed
  }

  private static func write(_ bytes: [UInt8]) throws(PlatformError) {
    Console.standard.flush()
    do throws(PlatformError) {
      try SmallFile.write(bytes, to: 1, subject: "standard output")
    } catch {
      // Nobody reads any further: as if everything had been printed.
      guard error.kind == .unreachable else { throw error }
    }
  }
}

/// JSON in lines.
enum RepoJSONText {
  /// The same text, two spaces a level, as Go's `json.Indent` lays it out; of text that is no JSON
  /// as well as it goes.
  static func indented(_ text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var depth = 0
    var isInString = false
    var isEscaped = false
    var opensNow = false
    func breakLine() {
      result.append(0x0a)
      result.append(contentsOf: repeatElement(0x20, count: 2 * max(0, depth)))
    }
    for byte in text {
      if isInString {
        result.append(byte)
        if !isEscaped, byte == UInt8(ascii: "\"") { isInString = false }
        isEscaped = !isEscaped && byte == UInt8(ascii: "\\")
        continue
      }
      if byte == 0x20 || (0x09...0x0d).contains(byte) { continue }
      let closes = byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]")
      if closes { depth -= 1 }
      if opensNow != closes, opensNow || closes { breakLine() }
      opensNow = byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[")
      result.append(byte)
      if opensNow { depth += 1 }
      if byte == UInt8(ascii: ",") { breakLine() }
      if byte == UInt8(ascii: ":") { result.append(0x20) }
      isInString = byte == UInt8(ascii: "\"")
    }
    return result
  }
}
