import Cryptography
import Platform
import Testing

/// A sum over pieces equals the sum over the whole, wherever it is cut.
@Suite struct StreamTests {
  private let sizes = [0, 1, 15, 16, 17, 63, 64, 65, 129, 240, 241, 300]

  private func data(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ ($0 >> 3)) }
  }

  private func cut(
    _ bytes: [UInt8], at position: Int, _ body: (UnsafeRawBufferPointer) -> Void
  ) {
    bytes.withUnsafeBytes {
      body(UnsafeRawBufferPointer(rebasing: $0[..<position]))
      body(UnsafeRawBufferPointer(rebasing: $0[position...]))
    }
  }

  @Test func poly1305AtEverySplit() throws {
    let key = try Poly1305Key([UInt8](1...32))
    var stream = try Poly1305Stream(key)
    for size in sizes {
      let bytes = data(size)
      let whole = bytes.withUnsafeBytes { key.tag($0) }
      for position in 0...size {
        cut(bytes, at: position) { stream.update($0) }
        #expect(stream.finish() == whole)
      }
    }
  }

  @Test func xxh3AtEverySplit() throws {
    let key = try XXH3Key([UInt8](1...32))
    var keyed = try XXH3Stream(key)
    var unseeded = try XXH3Stream()
    for size in sizes + [1025] {
      let bytes = data(size)
      for position in 0...size {
        keyed.reset()
        unseeded.reset()
        cut(bytes, at: position) { keyed.update($0) }
        cut(bytes, at: position) { unseeded.update($0) }
        #expect(bytes.withUnsafeBytes { key.hash128($0) } == keyed.digest())
        #expect(bytes.withUnsafeBytes { XXH3.hash128($0) } == unseeded.digest())
      }
    }
  }

  @Test func sha256AtEverySplit() throws {
    var stream = try SHA256()
    for size in sizes {
      let bytes = data(size)
      let whole = try SHA256.digest(bytes)
      for position in 0...size {
        cut(bytes, at: position) { stream.update($0) }
        #expect(stream.finish() == whole)
      }
    }
  }

  @Test func resetForgets() throws {
    let key = try Poly1305Key([UInt8](1...32))
    var poly = try Poly1305Stream(key)
    var sha = try SHA256()
    let bytes = data(100)
    bytes.withUnsafeBytes {
      poly.update($0)
      sha.update($0)
    }
    poly.reset()
    sha.reset()
    #expect(poly.finish() == key.tag(UnsafeRawBufferPointer(start: nil, count: 0)))
    #expect(try sha.finish() == SHA256.digest([]))
  }

  @Test func keysMatter() throws {
    let bytes = data(1000)
    let a = try XXH3Key([UInt8](1...32))
    let b = try XXH3Key([UInt8](2...33))
    let first = try Poly1305Key([UInt8](1...32))
    let second = try Poly1305Key([UInt8](2...33))
    bytes.withUnsafeBytes { bytes in
      #expect(a.hash64(bytes) != b.hash64(bytes))
      #expect(a.hash128(bytes) != b.hash128(bytes))
      #expect(a.hash128(bytes) != XXH3.hash128(bytes))
      #expect(first.tag(bytes) != second.tag(bytes))
    }
  }

  @Test(arguments: [0, 1, 16, 4095, 4096, 4097, 65536, 100_000])
  func tagOfZerosIsTheTagOfZeros(count: Int) throws {
    let key = try Poly1305Key([UInt8](1...32))
    let expected = [UInt8](repeating: 0, count: count).withUnsafeBytes { key.tag($0) }
    #expect(key.tagOfZeros(count: count) == expected)
    #expect(key.tagOfZeros(count: count) == expected)
  }

  @Test func manyZeroSizesForgetTheOldest() throws {
    let key = try Poly1305Key([UInt8](1...32))
    let first = (1...20).map { key.tagOfZeros(count: $0) }
    #expect((1...20).map { key.tagOfZeros(count: $0) } == first)
    #expect(Set(first).count == 20)
  }

  @Test func threadsAgree() throws {
    let shared = try XXH3Key([UInt8](1...32))
    let keyBytes = [UInt8](101...132)
    let bytes = data(65536)
    let expected = try bytes.withUnsafeBytes {
      (shared.hash128($0), try Poly1305Key(keyBytes).tag($0))
    }
    let threads = (0..<4).map { _ in
      Thread("sums") {
        let poly = try Poly1305Key(keyBytes)
        return bytes.withUnsafeBytes { bytes in
          (0..<200).allSatisfy { _ in
            shared.hash128(bytes) == expected.0 && poly.tag(bytes) == expected.1
          }
        }
      }
    }
    for thread in threads { #expect(try thread.join()) }
  }
}

@Suite struct DigestBufferTests {
  @Test func aDigestIsWrittenWithoutAnArray() throws {
    var hash = try SHA256()
    for message in ["", "abc", "abcd"] {
      Array(message.utf8).withUnsafeBytes { hash.update($0) }
      var digest = [UInt8](repeating: 0xee, count: 33)
      digest.withUnsafeMutableBytes { hash.finish(into: $0) }
      #expect(try Array(digest[..<32]) == SHA256.digest(Array(message.utf8)))
      #expect(digest[32] == 0xee)
    }
  }
}
