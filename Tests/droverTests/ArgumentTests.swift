import ArgumentParser
import FileTree
import Replication
import Testing

@testable import drover

/// From words on the command line to the options of a session.
@Suite struct ArgumentTests {
  @Test("An option whose value may be left out gets the one it stands for")
  func optionalValues() {
    #expect(SpelledOut.arguments(["a", "--compress", "b"]) == ["a", "--compress=adaptive", "b"])
    #expect(SpelledOut.arguments(["--compress=3"]) == ["--compress=3"])
    // Behind the mark it is the name of a file.
    #expect(SpelledOut.arguments(["--", "--compress"]) == ["--", "--compress"])
  }

  @Test(
    "Compression",
    arguments: [
      ([], .adaptive), (["--compress=adaptive"], .adaptive), (["-z"], .adaptive),
      (["--compress=1"], .level(1)), (["--compress=19"], .level(19)), (["--no-compress"], .none),
    ] as [([String], CompressionChoice)])
  func compression(_ arguments: [String], _ choice: CompressionChoice) throws {
    #expect(try TransferOptions.parse(arguments).options(root: "x").compression == choice)
  }

  @Test("Each option reaches the session")
  func options() throws {
    let plain = try TransferOptions.parse([]).options(root: "there")
    #expect(plain.root == "there" && plain.delete && plain.deleteCountMax == nil)
    #expect(!plain.checksum && !plain.dryRun && !plain.inPlace && !plain.wholeFile)
    #expect(plain.bandwidthLimitBytesPerSecond == nil && !plain.allowEmptySource)
    let all = try TransferOptions.parse([
      "--no-delete", "--max-delete=9", "-c", "-n", "--inplace", "-W", "--bwlimit=2M",
      "--allow-empty-source",
    ]).options(root: "x")
    #expect(!all.delete && all.deleteCountMax == 9 && all.checksum && all.dryRun)
    #expect(all.inPlace && all.wholeFile && all.allowEmptySource)
    #expect(all.bandwidthLimitBytesPerSecond == 2 << 20)
  }

  @Test(
    "Contradictions and values out of range are refused",
    arguments: [
      ["--compress=3", "--no-compress"], ["-z", "--no-compress"], ["--compress=0"],
      ["--compress=20"], ["--compress=x"], ["--max-delete=-1"], ["--bwlimit=slow"],
      ["--bwlimit=1B"],
    ])
  func refused(_ arguments: [String]) {
    #expect(throws: (any Error).self) { try TransferOptions.parse(arguments) }
  }

  @Test("Filter options keep their order among each other")
  func filterOrder() throws {
    func excludes(_ arguments: [String], _ path: String) throws -> Bool {
      let rules = try FilterArguments.parse(arguments).rules()
      return Array(path.utf8).withUnsafeBufferPointer {
        rules.excludes(path: $0, isDirectory: false)
      }
    }
    #expect(try !excludes(["--include=a.o", "--exclude=*.o"], "a.o"))
    #expect(try excludes(["--exclude=*.o", "--include=a.o"], "a.o"))
    #expect(try excludes(["-f", "+ b.o", "-f", "- *.o"], "a.o"))
    #expect(try !excludes(["-f", "exclude *.o", "--filter", "!"], "a.o"))
    #expect(throws: (any Error).self) { try FilterArguments.parse(["-f", "merge x"]) }
  }
}
