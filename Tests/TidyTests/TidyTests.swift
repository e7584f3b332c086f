import Foundation
import Testing

/// The house rules are part of `swift test`, so that a change cannot pass without them.
@Suite struct TidyTests {
  @Test func everyFileKeepsTheHouseRules() throws {
    let outcome = try run("tools/tidy")
    #expect(outcome.status == 0, "\(outcome.output)")
  }

  @Test func everyRuleCanFail() throws {
    let outcome = try run("tools/tidy", "--self-test")
    #expect(outcome.status == 0, "\(outcome.output)")
    #expect(outcome.output.contains("each can fail"))
  }

  @Test func anUnknownArgumentIsRefused() throws {
    let outcome = try run("tools/tidy", "--no-such-option")
    #expect(outcome.status == 2)
  }

  @Test(arguments: [
    "build", "coverage", "format", "install-packages", "install-servers", "quickstart", "sanitize",
    "serve-swift", "test", "tidy", "wrap-comments",
  ])
  func everyToolExplainsItself(name: String) throws {
    let outcome = try run("tools/\(name)", "--help")
    #expect(outcome.status == 0)
    #expect(outcome.output.contains("tools/\(name)"))
  }

  private struct Outcome {
    var status: Int32
    var output: String
  }

  /// Runs a tool of the package by its path below the root, which is two folders above this file's.
  private func run(_ tool: String, _ arguments: String...) throws -> Outcome {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let process = Process()
    process.executableURL = root.appending(path: tool)
    process.arguments = arguments
    process.currentDirectoryURL = root
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let bytes = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    let output = String(decoding: bytes, as: UTF8.self)
    return Outcome(status: process.terminationStatus, output: output)
  }
}
