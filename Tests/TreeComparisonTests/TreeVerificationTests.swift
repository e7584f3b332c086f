import FileTree
import Glibc
import Platform
import TestSupport
import Testing
import TreeComparison

/// What a comparison found.
struct Found {
  var outcome: VerificationOutcome
  var differences: [TreeDifference] = []
  var problems: [VerificationProblem] = []

  init(_ a: String, _ b: String, _ options: VerificationOptions = VerificationOptions()) throws {
    var differences: [TreeDifference] = []
    var problems: [VerificationProblem] = []
    outcome = try TreeVerification.compare(
      a, b, options: options, onProblem: { problems.append($0) },
      onDifference: { differences.append($0) })
    self.differences = differences
    self.problems = problems
  }

  /// Path, itemized form and reasons, a line each.
  var lines: [String] { differences.map(\.text) }
}

/// Two trees below one temporary directory.
final class TreePair: Sendable {
  let directory: TemporaryDirectory
  let a: String
  let b: String

  init() throws {
    directory = try TemporaryDirectory()
    a = try directory.makeDirectory("a")
    b = try directory.makeDirectory("b")
  }

  /// A zoo and its copy by rsync.
  static func zoo(seed: UInt64) throws -> TreePair {
    let pair = try TreePair()
    try MetadataZoo.make(at: pair.a, seed: seed)
    try RsyncJudge.copy(source: pair.a, destination: pair.b)
    return pair
  }
}

@Suite struct TreeVerificationTests {
  private static let shared = Result { try TreePair.zoo(seed: 31) }

  @Test func copyByRsyncIsEqual() throws {
    let pair = try Self.shared.get()
    let found = try Found(pair.a, pair.b)
    #expect(found.lines == [])
    #expect(found.problems == [])
    #expect(found.outcome.isEqual)
    #expect(found.outcome.failureKind == nil)
    let entries = try ByteFiles.walk(Array(pair.a.utf8))
    #expect(found.outcome.entryCount == entries.count + 1)
    #expect(found.outcome.a.entryCount == found.outcome.entryCount)
    let full = try #require(found.outcome.a.fullDigest)
    #expect(found.outcome.b.fullDigest == full)
    #expect(found.outcome.a.quickDigest == found.outcome.b.quickDigest)
    #expect(found.outcome.a.quickDigest != full)
  }

  /// One change of each kind: the entry, the sign and the reason that tell of it, and nothing else.
  @Test(arguments: [
    ("chmod 0604 text", [".f...p..... text (mode 0644 != 0604)"]),
    ("setfattr -n user.note -v x text", [".f........x text (attribute user.note)"]),
    ("setfattr -x security.foo text", [".f........x text (attribute security.foo)"]),
    ("chown 55 large", [".f....o.... large (user 0 != 55)"]),
    ("touch -h -d '2001-02-03T00:00:00.5Z' special/socket", [".S..t...... special/socket"]),
    ("rm special/socket", ["cS+++++++++ special/socket (only in A)"]),
    ("mkdir -m 0700 empty/x", ["*deleting   empty/x/ (only in B)"]),
    ("printf x >> text", [">f.s....... text (size 360000 != 360001)"]),
    (
      "printf X | dd of=text bs=1 seek=5 conv=notrunc status=none", [">fc........ text (content)"]
    ),
    ("rm sparse/odd-end; truncate -s 1048593 sparse/odd-end", [">fc"]),
    ("ln -sfn elsewhere symlinks/dangling", ["cLc"]),
    ("rm special/null; mknod special/null c 1 4", ["cDc.......x special/null (device 1:3 != 1:4"]),
    ("rm special/fifo; mkdir special/fifo", ["cS+++++++++ special/fifo (fifo != directory)"]),
    ("setfattr -n user.root -v x .", [".d........x ./ (attribute user.root)"]),
    ("mv text text2", [">f+++++++++ text (only in A)", "*deleting   text2 (only in B)"]),
  ])
  func tellsOneChange(command: String, expected: [String]) throws {
    let zoo = try Self.shared.get()
    let directory = try TemporaryDirectory()
    let changed = try directory.makeDirectory("changed")
    for side in ["a", "b"] { _ = try directory.makeDirectory(side) }
    // A small part of the zoo, so that a change is all that happens.
    let parts = ["text", "large", "special", "empty", "symlinks", "sparse"]
    let a = directory.path("a")
    for part in parts {
      try runChecked("rsync", ["-aAXHS", "\(zoo.a)/\(part)", a + "/"])
    }
    try runChecked("setfattr", ["-n", "user.root", "-v", "y", a])
    try runChecked("chmod", ["0644", "\(a)/text"])
    try RsyncJudge.copy(source: a, destination: changed)
    // The times of what the change touches on its way are put back.
    let script = """
      cd "$1" && \(command)
      for name in text special special/fifo special/null empty symlinks symlinks/dangling sparse \
      sparse/odd-end .; do
        test -e "$2/$name" -o -h "$2/$name" && test -e "$name" -o -h "$name" \
          && chown -h --reference="$2/$name" "$name" && touch -h -r "$2/$name" "$name"
      done; true
      """
    try runChecked("sh", ["-c", script, "sh", changed, a])
    let found = try Found(a, changed)
    #expect(found.differences.count == expected.count, "\(found.lines)")
    for (line, start) in zip(found.lines, expected) {
      #expect(line.hasPrefix(start), "\(line) instead of \(start)")
    }
    #expect(found.outcome.failureKind == .different)
    #expect(found.outcome.differenceCount == expected.count)
    #expect(found.outcome.a.fullDigest != found.outcome.b.fullDigest)
  }

  /// Real rsync is asked which entries differ after random changes.
  @Test(arguments: 0..<UInt64(SampledCounts.count(sampled: 3, full: 20)))
  func differsWhereRsyncSaysSo(round: UInt64) throws {
    let pair = try TreePair.zoo(seed: 41 + round)
    try TreeMutator.mutate(at: pair.b, seed: 900 + round)
    let found = try Found(pair.a, pair.b)
    let byUs = Set(found.differences.map { asRsyncWrites($0.path) })
    #expect(found.problems == [])
    #expect(byUs.count > 20)
    if let judged = try judgement(of: pair) {
      let byRsync = Set(judged.split(separator: "\n").compactMap { path(ofItem: $0) })
      #expect(unmatched(byRsync, in: byUs) == [], "rsync alone: \(judged)")
      // When a group of hard links has lost a name, its others are of another group for us; rsync
      // tells only of those that it would link anew.
      let groups = Set(
        found.differences.filter { $0.text.contains("(hard link to") }
          .map { asRsyncWrites($0.path) })
      #expect(unmatched(byUs.subtracting(groups), in: byRsync) == [], "Drover alone")
    }
  }

  /// What rsync would change; nil when it stumbles in its dry run over a directory of hard links
  /// that a real run would have put in the place of another kind of entry first.
  private func judgement(of pair: TreePair) throws -> String? {
    do {
      return try RsyncJudge.differences(source: pair.a, destination: pair.b)
    } catch let failure as TestFailure where failure.description.contains("Not a directory") {
      return nil
    }
  }

  /// The path in a line of rsync: what follows the form of 11 characters, up to the target of a
  /// link.
  ///
  /// A special file whose group lost its first name is linked anew by rsync, without a sign of
  /// change (`hS` and blanks): it is the same as before.
  private func path(ofItem line: Substring) -> String? {
    if line.hasPrefix("h"), line.dropFirst(2).hasPrefix("         ") { return nil }
    let path = line.dropFirst(12)
    for mark in [" -> ", " => "] {
      if let range = path.firstRange(of: mark) { return String(path[..<range.lowerBound]) }
    }
    return String(path)
  }

  /// A path of another kind is told once by us, by rsync once with and once without a slash.
  private func unmatched(_ paths: Set<String>, in others: Set<String>) -> [String] {
    paths.filter { path in
      !others.contains(path) && !others.contains(path + "/")
        && !(path.hasSuffix("/") && others.contains(String(path.dropLast())))
    }.sorted()
  }

  /// rsync's escapes in the locale `C`.
  private func asRsyncWrites(_ path: [UInt8]) -> String {
    var text = ""
    for (index, byte) in path.enumerated() {
      let isEscape =
        byte == UInt8(ascii: "\\") && index + 1 < path.count
        && path[index + 1] == UInt8(ascii: "#")
      if byte < 0x20 || byte > 0x7e || isEscape {
        let octal = String(byte, radix: 8)
        text += "\\#" + String(repeating: "0", count: 3 - octal.count) + octal
      } else {
        text.unicodeScalars.append(Unicode.Scalar(byte))
      }
    }
    return text
  }
}
