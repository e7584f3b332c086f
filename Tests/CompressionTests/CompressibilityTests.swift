import Compression
import Testing

@Suite struct CompressibilityTests {
  @Test(arguments: [1024, 4096, 5000, 65536, 1_000_000])
  func kindsAreToldApart(size: Int) {
    for seed in 1...20 {
      let random = Samples.random(size, seed: UInt64(seed))
      #expect(random.withUnsafeBytes { Compressibility.looksIncompressible($0) })
      let text = Samples.text(size, seed: UInt64(seed))
      #expect(!text.withUnsafeBytes { Compressibility.looksIncompressible($0) })
    }
    #expect(!Samples.zeros(size).withUnsafeBytes { Compressibility.looksIncompressible($0) })
  }

  @Test func compressedDataLooksIncompressible() throws {
    var compressor = try ZstdCompressor()
    let frame = try compressed(Samples.text(1_000_000), with: &compressor, level: 9)
    #expect(frame.withUnsafeBytes { Compressibility.looksIncompressible($0) })
  }

  @Test func shortDataIsLeftToTheCompressor() {
    for size in [0, 1, 100, 1023] {
      #expect(
        !Samples.random(size).withUnsafeBytes { Compressibility.looksIncompressible($0) })
    }
  }

  @Test func aTenthOfZerosIsWorthCompressing() {
    var bytes = Samples.random(65536)
    for index in bytes.indices where index % 10 == 0 { bytes[index] = 0 }
    #expect(!bytes.withUnsafeBytes { Compressibility.looksIncompressible($0) })
  }
}
