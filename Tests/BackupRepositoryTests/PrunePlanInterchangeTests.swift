import Glibc
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// The plan beside that of the real program, for one repository.
@Suite struct PrunePlanInterchangeTests {
  @Test func theSummaryOfADryRunIsThatOfRestic() throws {
    let repository = try ResticRepository()
    try repository.fill()
    let limits = ["5%", "0", "30%", "unlimited"]
    let dryRuns = try limits.map {
      try repository.run(["prune", "--dry-run", "-v", "--max-unused", $0])
    }
    let (index, names) = try repository.index()
    let listed = try repository.listed()
    // What is left after a prune of all that is unused is what was used.
    try repository.run(["prune", "--max-unused", "0"])
    let used = EntryBitmap(entryCount: index.entryCount)
    for name in try repository.index().names.keys {
      let blob = try #require(names[name], "prune makes no blobs")
      used.insert(try #require(index.blobs[blob]?.first).entry)
    }
    for (limit, dryRun) in zip(limits, dryRuns) {
      var options = PruneOptions()
      options.maxUnused = try UnusedLimit(parsing: limit)
      // The limit of restic 0.14, which is the peer.
      options.smallPacks = .smallerThan(options.packSizeBytes / 25)
      let plan = try index.plan(used, listed: listed, options: options)
      let lines = plan.statistics.lines(isVerbose: true).filter { !$0.isEmpty }
      let shown = dryRun.split(separator: "\n").map(String.init)
      let first = try #require(shown.firstIndex { $0.hasPrefix("used:") })
      let last = try #require(shown.lastIndex { $0.hasSuffix(" packs") })
      #expect(lines == Array(shown[first...last]), "\(limit)")
      if limit == "0" { #expect(plan.repack.count > 0 && plan.remove.count > 0) }
    }
  }
}

private struct ResticRepository {
  private let directory: TemporaryDirectory
  private let source: String

  init() throws {
    directory = try TemporaryDirectory()
    source = try directory.makeDirectory("source")
    try run(["init"])
  }

  @discardableResult
  func run(_ arguments: [String]) throws -> String {
    let environment = [
      "RESTIC_PASSWORD": "secret", "RESTIC_REPOSITORY": directory.path("repository"),
      "RESTIC_CACHE_DIR": directory.path("cache"), "HOME": directory.path,
      "PATH": environmentValue("PATH") ?? "/usr/bin:/bin",
    ]
    return try runChecked("/usr/bin/restic", arguments, environment: environment).outputText
  }

  /// Three backups of changing files, of which the last one stays.
  func fill() throws {
    var generator = SeededGenerator(seed: 3)
    for round in 0..<3 {
      for file in 0..<8 where file % 3 >= round {
        let name = "\(source)/file-\(file)"
        try write(generator.bytes(200_000 + 1000 * file), to: name)
      }
      try run(["backup", source])
    }
    try run(["forget", "--keep-last", "1"])
  }

  private func write(_ bytes: [UInt8], to path: String) throws {
    let file = try #require(fopen(path, "w"))
    #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
    fclose(file)
  }

  /// The index as restic shows it, with the blobs by type and identifier.
  func index() throws -> (index: SmallIndex, names: [String: SmallIndex.Blob]) {
    var index = SmallIndex()
    var names: [String: SmallIndex.Blob] = [:]
    for file in try run(["list", "index"]).split(separator: "\n") {
      let root = try JSONValue(parsing: Array(run(["cat", "index", String(file)]).utf8))
      for pack in root.objectValue?["packs"]?.arrayValue ?? [] {
        let fields = try #require(pack.objectValue)
        let id = try #require(fields["id"]?.stringValue.flatMap { PackID(hex: $0) })
        for blob in fields["blobs"]?.arrayValue ?? [] {
          let blob = try #require(blob.objectValue)
          let isTree = blob["type"]?.stringValue == "tree"
          let text = try #require(blob["id"]?.stringValue) + (isTree ? "t" : "d")
          let number = UInt64(names.count)
          let name = names[text] ?? SmallIndex.Blob(type: isTree ? .tree : .data, name: number)
          names[text] = name
          index.blobs[name, default: []].append(
            PruneCopy(
              entry: index.entryCount, pack: index.packs.count,
              offset: UInt32(try #require(blob["offset"]?.integerValue)),
              sealedLength: UInt32(try #require(blob["length"]?.integerValue)),
              isCompressed: blob["uncompressed_length"] != nil))
          index.entryCount += 1
        }
        index.packs.append(id)
      }
    }
    return (index, names)
  }

  func listed() throws -> [ListedPack] {
    try run(["list", "packs"]).split(separator: "\n").map { line in
      let path = "data/\(line.prefix(2))/\(line)"
      var status = stat()
      try #require(stat(directory.path("repository/\(path)"), &status) == 0)
      return ListedPack(
        id: try #require(PackID(hex: String(line))), sizeBytes: UInt64(status.st_size))
    }
  }
}
