import Platform
import TestSupport

@testable import BackupRepository

/// What `fixtures/restic/extract-plaintexts` found in the real repositories, opened by code that
/// shares nothing with Drover.
struct FormatFixture: CustomStringConvertible, Sendable {
  struct Item: Sendable {
    let kind: String
    let name: String
    let bytes: [UInt8]
  }

  static let all = ["repo-v1", "repo-v2", "repo-v2-r014"].map(FormatFixture.init)

  let repository: String
  var description: String { repository }

  var version: RepositoryVersion { repository == "repo-v1" ? .v1 : .v2 }

  static let root =
    #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" } + "/fixtures/restic"

  /// All items of a kind.
  func items(_ kind: String) throws -> [Item] {
    let path = "\(FormatFixture.root)/plaintexts-\(repository).txt"
    let text = String(decoding: try ByteFiles.read(Array(path.utf8)), as: UTF8.self)
    let items = try text.split(separator: "\n").compactMap { line -> Item? in
      let parts = line.split(separator: " ")
      guard parts.count == 3, let bytes = Base64.bytes(of: String(parts[2])) else {
        throw TestFailure("\(path): a line is not kind, name, base64")
      }
      guard parts[0] == kind else { return nil }
      return Item(kind: kind, name: String(parts[1]), bytes: bytes)
    }
    guard !items.isEmpty else { throw TestFailure("\(path): no \(kind)") }
    return items
  }

  /// The bytes of a file of the repository as they are stored.
  func stored(_ path: String) throws -> [UInt8] {
    try ByteFiles.read(Array("\(FormatFixture.root)/\(repository)/\(path)".utf8))
  }
}

func text(_ bytes: some Collection<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

/// Runs `body` on damaged forms of `bytes`: every truncation (or a sample of them), and bytes
/// overwritten at random places.
func forEachDamage(of bytes: [UInt8], seed: UInt64, count: Int, _ body: ([UInt8]) throws -> Void)
  rethrows
{
  var generator = SeededGenerator(seed: seed)
  for _ in 0..<count {
    try body(Array(bytes.prefix(generator.below(bytes.count))))
    var changed = bytes
    for _ in 0...generator.below(3) {
      let place = generator.below(bytes.count)
      if generator.chance(0.5) {
        changed[place] ^= 1 << UInt8(generator.below(8))
      } else {
        changed[place] = generator.pick(Array("\"{}[],:\\u09-nte\u{0}".utf8))
      }
    }
    try body(changed)
  }
}
