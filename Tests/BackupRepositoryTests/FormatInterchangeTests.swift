import Glibc
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// A repository of the installed restic, and a directory to back up.
private struct ResticRepository {
  let scratch: TemporaryDirectory
  let source: String
  private let environment: [String: String]

  init() throws {
    scratch = try TemporaryDirectory()
    source = try scratch.makeDirectory("source")
    environment = [
      "RESTIC_REPOSITORY": scratch.path("repository"), "RESTIC_PASSWORD": "test",
      "RESTIC_CACHE_DIR": scratch.path("cache"), "TZ": "Asia/Kolkata", "HOME": scratch.path,
    ]
    try restic("init")
  }

  /// Runs restic in the source directory.
  @discardableResult
  func restic(_ arguments: String...) throws -> [UInt8] { try restic(arguments) }

  @discardableResult
  func restic(_ arguments: [String]) throws -> [UInt8] {
    let script = #"cd "$0" && exec restic "$@""#
    let result = try runChecked(
      "sh", ["-c", script, source] + arguments, environment: environment)
    return result.output
  }

  /// The tree of the newest snapshot as it is stored.
  func newestTree() throws -> [UInt8] {
    let list = try JSONValue(parsing: restic("snapshots", "--json"))
    let tree = try #require(list.arrayValue?.last?.objectValue?["tree"]?.stringValue)
    return try restic("cat", "blob", tree)
  }
}

@Suite struct FormatInterchangeTests {
  /// Every scalar at which the printable table changes stands in a name, and what else is escaped.
  private static func names() -> [[UInt8]] {
    var scalars: [Unicode.Scalar] = []
    for bound in unprintableRangeBounds {
      scalars += [bound &- 1, bound].compactMap { Unicode.Scalar($0) }
    }
    scalars = scalars.filter { $0 != "/" && $0.value != 0 }
    var names: [[UInt8]] = stride(from: 0, to: scalars.count, by: 50).map { start in
      var name = String.UnicodeScalarView()
      name.append(contentsOf: scalars[start..<min(start + 50, scalars.count)])
      return Array(String(name).utf8)
    }
    names += (UInt8(1)...255).filter { $0 != 0x2f && $0 != 0x2e }.map { [0x78, $0, 0x79] }
    names += [[0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xc0, 0xaf], [0xe2, 0x82, 0x28]]
    return names
  }

  @Test func namesTimesAndTargetsOfResticComeBackByteForByte() throws {
    let repository = try ResticRepository()
    let directory = Array(repository.source.utf8)
    var expected = FormatInterchangeTests.names()
    for (index, name) in expected.enumerated() {
      let path = ByteFiles.join(directory, name)
      try ByteFiles.write(path, [])
      let seconds = index * 40_000_000 - 2_000_000_000
      try ByteFiles.setTime(
        path, seconds: seconds, nanoseconds: index * 1_000_003 % 1_000_000_000)
    }
    for (index, target) in ["\u{8}\u{c}\u{1}<&>\u{2028}\u{7f}\"\\", "plain"].enumerated() {
      let name = Array("link\(index)".utf8)
      try ByteFiles.makeSymlink(ByteFiles.join(directory, name), target: Array(target.utf8))
      expected.append(name)
    }
    try ByteFiles.makeSymlink(
      ByteFiles.join(directory, "link2"), target: [0x61, 0xff, 0xef, 0xbf, 0x62])
    expected.append(Array("link2".utf8))

    try repository.restic("backup", "--quiet", ".")
    let blob = try repository.newestTree()
    let tree = try TreeDecoder().decode(blob, .strict)
    #expect(
      tree.nodes.map { Array(tree.name(of: $0)) }
        == expected.sorted { $0.lexicographicallyPrecedes($1) })
    var encoder = TreeEncoder()
    for node in tree.nodes { try encoder.append(node, of: tree) }
    encoder.finish()
    #expect(text(encoder.bytes) == text(blob))
    #expect(tree.nodes.allSatisfy { $0.facts.modified.zoneOffsetSeconds != 0 })
    for node in tree.nodes {
      let path = ByteFiles.join(directory, Array(tree.name(of: node)))
      let status = try ByteFiles.status(path)
      #expect(node.facts.modified.seconds == Int64(status.st_mtim.tv_sec))
      #expect(node.facts.modified.nanoseconds == UInt32(status.st_mtim.tv_nsec))
      #expect(node.facts.mode == FileMode(statMode: status.st_mode))
      #expect(node.facts.inode == UInt64(status.st_ino))
    }
  }

  @Test(arguments: [
    ["*.o"], ["**/x"], ["/SOURCE/a/**/x"], ["a/*"], ["a/b/**", "!a/b/keep"], ["[a-b]", "!b"],
    ["/SOURCE/a/b", "!**/keep"], ["?.o", "c/x"], ["/SOURCE/**/*.o", "!keep.o"],
  ])
  func resticExcludesTheSamePaths(patterns: [String]) throws {
    let repository = try ResticRepository()
    for folder in ["a", "a/b", "a/b/c", "c", "b"] {
      let path = "\(repository.source)/\(folder)"
      try ByteFiles.makeDirectory(Array(path.utf8))
      for name in ["x", "1.o", "keep", "keep.o", "é"] {
        try ByteFiles.write(Array("\(path)/\(name)".utf8), Array(name.utf8))
      }
    }
    let given = patterns.map { $0.replacing("/SOURCE", with: repository.source) }
    try repository.restic(
      ["backup", "--quiet", repository.source] + given.flatMap { ["--exclude", $0] })
    let listing = text(try repository.restic("ls", "latest"))
    let found = listing.split(separator: "\n").map(String.init).filter {
      $0.hasPrefix(repository.source + "/")
    }
    let rules = PathPatterns(try given.map { try PathPattern($0) })
    #expect(found.sorted() == (try included(in: repository.source, rules)).sorted())
    #expect(!found.isEmpty)
  }

  /// What a walk that asks the patterns about every path finds.
  private func included(in directory: String, _ rules: PathPatterns) throws -> [String] {
    try ByteFiles.names(in: Array(directory.utf8)).flatMap { name -> [String] in
      let path = "\(directory)/\(text(name))"
      if rules.excludes(Array(path.utf8)) { return [] }
      let isDirectory = try ByteFiles.kind(Array(path.utf8)) == S_IFDIR
      return [path] + (isDirectory ? try included(in: path, rules) : [])
    }
  }
}
