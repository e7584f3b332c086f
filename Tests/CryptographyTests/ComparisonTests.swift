import Cryptography
import Testing

@Suite struct ComparisonTests {
  @Test func zeroTestSeesEveryByte() {
    for size in [0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 100, 4096] {
      var bytes = [UInt8](repeating: 0, count: size)
      #expect(bytes.withUnsafeBytes { isAllZero($0) })
      for position in 0..<size {
        bytes[position] = 0x80
        #expect(!bytes.withUnsafeBytes { isAllZero($0) }, "byte \(position) of \(size)")
        bytes[position] = 0
      }
    }
  }

  @Test func zeroTestTakesUnalignedBuffers() {
    var bytes = [UInt8](repeating: 0, count: 200)
    bytes[0] = 1
    bytes[199] = 1
    bytes.withUnsafeBytes {
      for start in 1..<20 {
        #expect(isAllZero(UnsafeRawBufferPointer(rebasing: $0[start..<199])))
        #expect(!isAllZero(UnsafeRawBufferPointer(rebasing: $0[start...])))
      }
    }
  }

  @Test func secretsCompareByContentAndLength() {
    #expect(constantTimeEquals([1, 2, 3], [1, 2, 3]))
    #expect(constantTimeEquals([], []))
    #expect(!constantTimeEquals([1, 2, 3], [1, 2, 4]))
    #expect(!constantTimeEquals([1, 2, 3], [1, 2]))
  }

  @Test func digestsKeepTheirBytes() {
    let bytes = [UInt8](1...16)
    let digest = Digest128(bytes: bytes)
    #expect(digest?.bytes == bytes)
    #expect(Digest128(bytes: [1]) == nil)
    #expect(Digest128(bytes: [UInt8](1...17)) == nil)
    var copy = [UInt8](repeating: 0, count: 18)
    copy.withUnsafeMutableBytes { buffer in
      if let base = buffer.baseAddress { digest?.write(to: base + 1) }
    }
    #expect(copy == [0] + bytes + [0])
    copy.withUnsafeBytes { buffer in
      if let base = buffer.baseAddress { #expect(Digest128(loadingFrom: base + 1) == digest) }
    }
  }
}
