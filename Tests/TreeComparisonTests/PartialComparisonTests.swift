import FileTree
import Platform
import TestSupport
import Testing
import TreeComparison

/// What cannot be read is told, and is never taken for missing.
@Suite struct PartialComparisonTests {
  private func bytes(_ path: String) -> ByteFiles.Path { Array(path.utf8) }

  @Test func unreadableFileIsAProblem() throws {
    let pair = try TreePair()
    for side in [pair.a, pair.b] {
      try ByteFiles.write(bytes("\(side)/open"), [1, 2, 3])
      try ByteFiles.write(bytes("\(side)/secret"), [4, 5, 6])
      for name in ["", "/open", "/secret"] {
        try ByteFiles.setTime(bytes(side + name), seconds: 1_600_000_000, nanoseconds: 0)
      }
    }
    try ByteFiles.setMode(bytes("\(pair.b)/secret"), 0o600)
    try ByteFiles.setMode(bytes("\(pair.a)/secret"), 0o600)
    #expect(try Found(pair.a, pair.b).outcome.isEqual)
    try runChecked("chmod", ["0711", pair.directory.path])
    let found = try withoutFilePrivileges { try Found(pair.a, pair.b) }
    #expect(found.lines == [])
    #expect(
      found.problems.map(\.text)
        == [pair.a, pair.b].map { "\($0)/secret: Permission denied (openat)" })
    #expect(found.outcome.failureKind == .partial)
    #expect(!found.outcome.isEqual)
    #expect(found.outcome.a.fullDigest == nil)
    #expect(found.outcome.a.quickDigest == found.outcome.b.quickDigest)
    #expect(found.outcome.a.quickDigest != nil)
  }

  @Test func contentOfAnUnreadableDirectoryIsNotMissing() throws {
    let pair = try TreePair()
    for side in [pair.a, pair.b] {
      for name in ["/closed", "/closed/deeper", "/closed/deeper/still", "/open"] {
        try ByteFiles.makeDirectory(bytes(side + name))
        try ByteFiles.write(bytes(side + name + "/file"), [1])
      }
    }
    try ByteFiles.write(bytes("\(pair.a)/open/alone"), [1])
    try runChecked(
      "sh", ["-c", "find \"$1\" \"$2\" -exec touch -d @1000 {} +", "sh", pair.a, pair.b])
    try ByteFiles.setMode(bytes("\(pair.b)/closed"), 0o700)
    try ByteFiles.setMode(bytes(pair.b), 0o755)
    try runChecked("chmod", ["0711", pair.directory.path])
    let found = try withoutFilePrivileges { try Found(pair.a, pair.b) }
    #expect(
      found.lines == [
        ".d...p..... closed/ (mode 0755 != 0700)", ">f+++++++++ open/alone (only in A)",
      ])
    #expect(
      found.problems.map(\.text) == ["\(pair.b)/closed: Permission denied (openat2)"])
    #expect(found.outcome.failureKind == .different)
    #expect(found.outcome.a.fullDigest != nil)
    #expect(found.outcome.b.quickDigest == nil)
  }

  @Test func tenThousandLevelsEndAsPartial() throws {
    let pair = try TreePair()
    try DeepTree.make(at: pair.a, levels: 10_000)
    try DeepTree.make(at: pair.b, levels: 10_000)
    try ByteFiles.write(bytes("\(pair.a)/z"), [1])
    try ByteFiles.write(bytes("\(pair.b)/z"), [1])
    var options = VerificationOptions()
    options.comparesContent = false
    let found = try Found(pair.a, pair.b, options)
    #expect(found.problems.count == 2)
    for problem in found.problems {
      #expect(problem.text.contains("/d/d/d/"))
      #expect(problem.text.contains("path is longer than 4095 bytes"))
    }
    #expect(found.outcome.problemCount == 2)
    // 2,048 directories have a path that fits; the files beside them were compared.
    #expect(found.outcome.a.directoryCount == 2049)
    #expect(found.outcome.a.quickDigest == nil)
  }

  @Test func rootThatIsNotThereIsAnError() throws {
    let pair = try TreePair()
    let missing = pair.directory.path("missing")
    let file = pair.directory.path("file")
    try ByteFiles.write(bytes(file), [1])
    #expect(throws: VerificationError.self) { try Found(pair.a, missing) }
    #expect(throws: VerificationError.self) { try Found(missing, pair.a) }
    #expect(throws: VerificationError.unlike(directory: pair.a, volume: file)) {
      try Found(file, pair.a)
    }
    #expect(throws: VerificationError.unsuitable(path: "/dev/null")) {
      try Found(pair.a, "/dev/null")
    }
  }
}
