import TestSupport
import Testing

@testable import Cryptography

/// Two messages side by side: every length and division must give what OpenSSL gives.
@Suite struct SHA256LaneTests {
  private func digest(_ lane: inout SHA256Lane) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    digest.withUnsafeMutableBytes { lane.finish(into: $0) }
    return digest
  }

  @Test func aKnownAnswer() throws {
    var lane = try SHA256Lane()
    Array("abc".utf8).withUnsafeBytes { lane.update($0) }
    let hex = digest(&lane).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    #expect(hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }

  @Test func lengthsAroundTheBlocks() throws {
    var random = SeededGenerator(seed: 1)
    let bytes = random.bytes(300)
    var first = try SHA256Lane()
    var second = try SHA256Lane()
    for count in 0...260 {
      let other = 260 - count
      bytes.withUnsafeBytes { bytes in
        SHA256Lane.update(
          &first, UnsafeRawBufferPointer(rebasing: bytes[..<count]),
          &second, UnsafeRawBufferPointer(rebasing: bytes[..<other]))
      }
      #expect(digest(&first) == (try SHA256.digest(Array(bytes[..<count]))), "\(count)")
      #expect(digest(&second) == (try SHA256.digest(Array(bytes[..<other]))), "\(other)")
    }
  }

  @Test(arguments: 0..<8 as Range<UInt64>) func divisionsDoNotMatter(_ seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    var first = try SHA256Lane()
    var second = try SHA256Lane()
    for _ in 0..<50 {
      var messages: [[UInt8]] = [[], []]
      for _ in 0..<Int(random.next() % 6) {
        let a = random.bytes(Int(random.next() % 400))
        let b = random.bytes(Int(random.next() % 400))
        a.withUnsafeBytes { a in
          b.withUnsafeBytes { b in SHA256Lane.update(&first, a, &second, b) }
        }
        messages[0] += a
        messages[1] += b
        let alone = random.bytes(Int(random.next() % 100))
        alone.withUnsafeBytes { second.update($0) }
        messages[1] += alone
      }
      #expect(digest(&first) == (try SHA256.digest(messages[0])))
      #expect(digest(&second) == (try SHA256.digest(messages[1])))
    }
  }

  @Test func resetForgets() throws {
    var lane = try SHA256Lane()
    [UInt8](repeating: 7, count: 100).withUnsafeBytes { lane.update($0) }
    lane.reset()
    #expect(digest(&lane) == (try SHA256.digest([])))
  }
}
