import CMD5
import Platform
import TestSupport
import Testing

@testable import Cryptography

/// Messages side by side: every length, division and count of lanes must give what OpenSSL gives.
@Suite struct MD5CombinerTests {
  @Test func aKnownAnswer() {
    let message = MD5Message()
    Array("message digest".utf8).withUnsafeBytes { message.update($0) }
    let hex = message.finish().map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
    #expect(hex.joined() == "f96b697d7cb7938d525a2f31aaf161d0")
  }

  /// Lanes that end at different places, with blocks begun before.
  @Test(arguments: 1...8) func lanesOfDifferentLengths(_ laneCount: Int) throws {
    var random = SeededGenerator(seed: UInt64(laneCount))
    for _ in 0..<200 {
      var hashes = [drover_md5](repeating: drover_md5(), count: laneCount)
      var contents = [[UInt8]](repeating: [], count: laneCount)
      hashes.withUnsafeMutableBufferPointer { hashes in
        for lane in 0..<laneCount { drover_md5_init(&hashes[lane]) }
        for _ in 0..<3 {
          let parts = (0..<laneCount).map { _ in random.bytes(Int(random.next() % 700)) }
          let memory = parts.map { part in
            let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: part.count, alignment: 1)
            copy.copyBytes(from: part)
            return copy
          }
          defer { memory.forEach { $0.deallocate() } }
          let pieces = (0..<laneCount).map { lane in
            drover_md5_piece(
              hash: hashes.baseAddress.unsafelyUnwrapped + lane, bytes: memory[lane].baseAddress,
              count: memory[lane].count)
          }
          drover_md5_update_lanes(pieces, laneCount)
          for lane in 0..<laneCount { contents[lane] += parts[lane] }
        }
      }
      for lane in 0..<laneCount {
        var digest = [UInt8](repeating: 0, count: 16)
        drover_md5_finish(&hashes[lane], &digest)
        #expect(digest == (try MessageDigest.of(contents[lane], .md5)), "lane \(lane)")
      }
    }
  }

  @Test func lengthsAroundTheBlocks() throws {
    var random = SeededGenerator(seed: 9)
    let bytes = random.bytes(300)
    let message = MD5Message()
    for count in 0...260 {
      bytes.withUnsafeBytes { message.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
      #expect(message.finish() == (try MessageDigest.of(Array(bytes[..<count]), .md5)), "\(count)")
    }
  }

  /// More threads than lanes, each with a message of its own.
  @Test func threadsTogether() throws {
    let combiner = MD5Combiner()
    let threads = (0..<20).map { number in
      Thread("md5-\(number)") { () throws(CryptographyError) -> Bool in
        var random = SeededGenerator(seed: UInt64(number))
        let message = MD5Message()
        var content: [UInt8] = []
        for _ in 0..<40 {
          let piece = random.bytes(1 + Int(random.next() % 60_000))
          piece.withUnsafeBytes { combiner.update(message, $0) }
          content += piece
        }
        return message.finish() == (try MessageDigest.of(content, .md5))
      }
    }
    for thread in threads { #expect(try thread.join()) }
  }

  /// Streams of several threads; lengths around the buffers, streams that are dropped on the way,
  /// and others that start anew.
  @Test func streamsTogether() throws {
    let combiner = MD5Combiner()
    let buffer = MD5Stream.bufferSizeBytes
    let lengths = [0, 1, buffer - 1, buffer, buffer + 1, 2 * buffer, 5 * buffer + 77]
    let threads = (0..<12).map { number in
      Thread("md5-\(number)") { () throws(CryptographyError) -> Bool in
        var random = SeededGenerator(seed: UInt64(number))
        let stream = MD5Stream(combiner)
        for round in lengths.indices {
          let content = random.bytes(lengths[(round + number) % lengths.count])
          let dropped = MD5Stream(combiner)
          content.withUnsafeBytes { bytes in
            var start = 0
            while start < bytes.count {
              let count = min(bytes.count - start, 1 + Int(random.next() % 100_000))
              let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<(start + count)])
              stream.update(piece)
              dropped.update(piece)
              start += count
            }
          }
          guard stream.finish() == (try MessageDigest.of(content, .md5)) else { return false }
        }
        return true
      }
    }
    for thread in threads { #expect(try thread.join()) }
  }

  /// A stream whose thread does nothing holds nobody up, and is hashed with the others.
  @Test func aStreamThatRestsHoldsNobodyUp() throws {
    let combiner = MD5Combiner()
    var random = SeededGenerator(seed: 4)
    let content = random.bytes(3 * MD5Stream.bufferSizeBytes)
    let resting = MD5Stream(combiner)
    content.withUnsafeBytes { bytes in
      resting.update(UnsafeRawBufferPointer(rebasing: bytes[..<MD5Stream.bufferSizeBytes]))
      let other = MD5Stream(combiner)
      other.update(bytes)
      #expect(other.finish() == (try? MessageDigest.of(content, .md5)))
      resting.update(UnsafeRawBufferPointer(rebasing: bytes[MD5Stream.bufferSizeBytes...]))
    }
    #expect(resting.finish() == (try MessageDigest.of(content, .md5)))
  }
}
