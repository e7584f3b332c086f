import FileTree
import Platform
import TestSupport
import Testing
import TreeComparison

@Suite struct VerificationOptionTests {
  private func bytes(_ path: String) -> ByteFiles.Path { Array(path.utf8) }

  /// Two trees with a file of the same size and time but other content, and one of another owner.
  private func makePair() throws -> TreePair {
    let pair = try TreePair()
    for (side, content) in [(pair.a, [1, 2, 3]), (pair.b, [1, 2, 4])] as [(String, [UInt8])] {
      try ByteFiles.write(bytes("\(side)/file"), content)
      try ByteFiles.write(bytes("\(side)/owned"), [7])
      try ByteFiles.makeDirectory(bytes("\(side)/cache"))
      try ByteFiles.write(bytes("\(side)/cache/of-\(content[2])"), [1])
      for name in ["", "/file", "/owned", "/cache"] {
        try ByteFiles.setTime(bytes(side + name), seconds: 1_600_000_000, nanoseconds: 5)
      }
    }
    try ByteFiles.setOwner(bytes("\(pair.b)/owned"), user: 1000, group: 100)
    return pair
  }

  @Test func eachOptionTakesAwayItsDifference() throws {
    let pair = try makePair()
    let cache = [
      ">f+++++++++ cache/of-3 (only in A)", "*deleting   cache/of-4 (only in B)",
    ]
    let content = ">fc........ file (content)"
    let owner = ".f....og... owned (user 0 != 1000, group 0 != 100)"
    var options = VerificationOptions()
    #expect(try Found(pair.a, pair.b, options).lines == [content, owner] + cache)
    options.filter = FilterRules(rules: [try FilterRule(.exclude, "/cache")])
    #expect(try Found(pair.a, pair.b, options).lines == [content, owner])
    options.ignoresOwner = true
    let withContent = try Found(pair.a, pair.b, options)
    #expect(withContent.lines == [content])
    #expect(withContent.outcome.a.quickDigest == withContent.outcome.b.quickDigest)
    #expect(withContent.outcome.a.fullDigest != withContent.outcome.b.fullDigest)
    options.comparesContent = false
    let quick = try Found(pair.a, pair.b, options)
    #expect(quick.lines == [])
    #expect(quick.outcome.isEqual)
    #expect(quick.outcome.a.fullDigest == nil)
    #expect(quick.outcome.a.quickDigest == withContent.outcome.a.quickDigest)
  }

  /// Without digests a file is read only when the other side has one of its size.
  @Test func withoutDigestsOnlyCandidatesAreRead() throws {
    let pair = try makePair()
    try ByteFiles.write(bytes("\(pair.a)/longer"), [1, 2])
    try ByteFiles.write(bytes("\(pair.b)/longer"), [1])
    for side in [pair.a, pair.b] {
      try ByteFiles.write(bytes("\(side)/secret"), [1], mode: 0o600)
    }
    for name in ["longer", "cache/of-3"] { try ByteFiles.setMode(bytes("\(pair.a)/\(name)"), 0) }
    try runChecked("chmod", ["0711", pair.directory.path])
    var options = VerificationOptions()
    options.computesDigests = false
    let found = try withoutFilePrivileges { [options] in try Found(pair.a, pair.b, options) }
    #expect(found.lines.contains(">fc........ file (content)"))
    #expect(found.lines.contains { $0.contains("longer (size 2 != 1, mode 0000 != 0644") })
    #expect(
      found.problems.map(\.text)
        == [pair.a, pair.b].map { "\($0)/secret: Permission denied (openat)" })
    #expect(found.outcome.a.fullDigest == nil)
  }

  /// A missing first name of a group is one difference; another partition is told for each name.
  @Test func hardLinksAreComparedAsGroups() throws {
    let pair = try TreePair()
    for side in [pair.a, pair.b] {
      try ByteFiles.write(bytes("\(side)/1"), [9])
      for name in ["2", "3", "4"] {
        try ByteFiles.link(bytes("\(side)/\(name)"), to: bytes("\(side)/1"))
      }
      try ByteFiles.setTime(bytes("\(side)/1"), seconds: 1000, nanoseconds: 0)
      try ByteFiles.setTime(bytes(side), seconds: 1000, nanoseconds: 0)
    }
    #expect(try Found(pair.a, pair.b).outcome.isEqual)
    try ByteFiles.remove(bytes("\(pair.b)/1"))
    try ByteFiles.setTime(bytes(pair.b), seconds: 1000, nanoseconds: 0)
    #expect(try Found(pair.a, pair.b).lines == [">f+++++++++ 1 (only in A)"])
    try runChecked("sh", ["-c", "cd \"$1\" && cp -p 2 1 && touch -d @1000 .", "sh", pair.b])
    let found = try Found(pair.a, pair.b)
    #expect(
      found.lines == [
        "hf......... 2 (hard link to 1 != nothing)", "hf......... 3 (hard link to 1 != 2)",
        "hf......... 4 (hard link to 1 != 2)",
      ])
    #expect(found.outcome.a.quickDigest != found.outcome.b.quickDigest)
    #expect(found.outcome.a.sizeBytes == 1)
    #expect(found.outcome.b.sizeBytes == 2)
  }
}
