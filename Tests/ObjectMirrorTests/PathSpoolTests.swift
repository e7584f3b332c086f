import TestSupport
import Testing

@testable import ObjectMirror

/// Records come back in reverse order, whether they stayed in memory or not.
@Suite struct PathSpoolTests {
  @Test(arguments: [1, 64, 4096, 1 << 22])
  func recordsComeBackInReverse(_ blockSizeBytes: Int) throws {
    let directory = try TemporaryDirectory()
    let spool = PathSpool(directory: directory.path, blockSizeBytes: blockSizeBytes)
    var random = SeededGenerator(seed: 5)
    var expected: [[UInt8]] = []
    for _ in 0..<40 {
      for _ in 0..<random.below(60) {
        let record = random.bytes(random.below(300))
        try spool.append(record)
        expected.append(record)
      }
      for _ in 0..<random.below(30) {
        #expect(try spool.popLast() == expected.popLast())
      }
    }
    while let record = expected.popLast() { #expect(try spool.popLast() == record) }
    #expect(try spool.popLast() == nil)
  }
}

@Suite struct MediaTypeTests {
  @Test func theEndingDecides() {
    var types = MediaTypes()
    types.addGlobs("# x\n50:text/plain:*.txt\n40:text/other:*.txt\n50:a/b:*.t?\n50:x/y:Makefile\n")
    types.addList("audio/ogg\t\togg oga\ntext/x-log log # comment\nbroken\n")
    let expected = [
      "a.html": "text/html; charset=utf-8", "A.HTML": "text/html; charset=utf-8",
      "a/b.txt": "text/plain; charset=utf-8", "x.oga": "audio/ogg",
      "x.log": "text/x-log; charset=utf-8", "none": MediaTypes.unknown,
      "d.html/none": MediaTypes.unknown, "x.": MediaTypes.unknown, ".png": "image/png",
    ]
    for (name, type) in expected {
      #expect(types.type(ofName: Array(name.utf8)) == type, "\(name)")
    }
  }
}

@Suite struct MultipartTagTests {
  /// What S3 computes: the MD5 of the parts' MD5s, and their count.
  @Test func theTagOfPartsIsThatOfTheService() throws {
    let content = Array("hello world, in parts".utf8)
    for step in [1, 3, 7, 100] {
      let run = DigestRun(partSizeBytes: 8)
      for start in stride(from: 0, to: content.count, by: step) {
        content[start..<min(start + step, content.count)].withUnsafeBytes { run.update($0) }
      }
      let made = run.finish()
      #expect(made.md5 == Array(try Self.md5(content)))
      let parts = stride(from: 0, to: content.count, by: 8)
        .map { Array(content[$0..<min($0 + 8, content.count)]) }
      let digests = try parts.flatMap { try Self.md5($0) }
      let expected = try Self.md5(digests).map {
        String($0 >> 4, radix: 16) + String($0 & 15, radix: 16)
      }
      #expect(made.partMD5s.flatMap { $0 } == digests)
      #expect(made.multipartETag == expected.joined() + "-3")
    }
  }

  static func md5(_ bytes: [UInt8]) throws -> [UInt8] {
    let text = try runChecked("md5sum", [], stdin: bytes).outputText.prefix(32)
    var result: [UInt8] = []
    var rest = text[...]
    while !rest.isEmpty {
      result.append(UInt8(rest.prefix(2), radix: 16) ?? 0)
      rest = rest.dropFirst(2)
    }
    return result
  }
}
