import Platform
import TestSupport
import Testing
import TreeComparison

@Suite struct VolumeComparisonTests {
  private func bytes(_ path: String) -> ByteFiles.Path { Array(path.utf8) }

  private func sum(_ path: String) throws -> String {
    String(try runChecked("sha256sum", [path]).outputText.prefix(64))
  }

  @Test func imageAndDeviceWithTheSameBytesAreEqual() throws {
    let directory = try TemporaryDirectory()
    let image = directory.path("image")
    var random = SeededGenerator(seed: 5)
    try ByteFiles.truncate(bytes(image), sizeBytes: 8 << 20)
    try ByteFiles.overwrite(bytes(image), random.bytes(300_000), at: 1 << 20)
    try ByteFiles.overwrite(bytes(image), random.bytes(4096), at: 7 << 20)
    let copy = directory.path("copy")
    try runChecked("cp", ["--sparse=never", image, copy])
    let device = try LoopDevice(backingFile: copy, sizeBytes: 8 << 20)
    let found = try Found(image, device.path)
    #expect(found.lines == [])
    #expect(found.outcome.isEqual)
    #expect(found.outcome.a.sizeBytes == 8 << 20)
    let digest = try #require(found.outcome.a.fullDigest)
    #expect(found.outcome.b.fullDigest == digest)
    #expect(hex(digest) == (try sum(image)))
  }

  @Test func tellsTheFirstDifferentPieceAndTheSize() throws {
    let directory = try TemporaryDirectory()
    let a = directory.path("a")
    let b = directory.path("b")
    var random = SeededGenerator(seed: 6)
    let content = random.bytes((2 << 20) + 77)
    try ByteFiles.write(bytes(a), content)
    var other = content
    other[700_000] ^= 1
    other[1_900_000] ^= 1
    try ByteFiles.write(bytes(b), other)
    let changed = try Found(a, b)
    #expect(changed.lines == [">fc........ . (content, first in bytes 524288 to 786431)"])
    #expect(changed.outcome.failureKind == .different)
    #expect(hex(changed.outcome.b.fullDigest ?? []) == (try sum(b)))
    try ByteFiles.truncate(bytes(b), sizeBytes: 600_000)
    #expect(try Found(a, b).lines == [">f.s....... . (size 2097229 != 600000)"])
    var options = VerificationOptions()
    options.comparesContent = false
    try ByteFiles.write(bytes(b), other)
    #expect(try Found(a, b, options).outcome.isEqual)
  }

  /// A file's content has the digest that `sha256sum` gives, whatever its holes.
  @Test func sparseImagesHashLikeDenseOnes() throws {
    let directory = try TemporaryDirectory()
    var random = SeededGenerator(seed: 7)
    for round in 0..<12 {
      let path = directory.path("sparse-\(round)")
      let size = 1 + random.below(6 << 20)
      try ByteFiles.truncate(bytes(path), sizeBytes: size)
      for _ in 0..<random.below(5) {
        let length = 1 + random.below(min(size, 90_000))
        let piece = random.bytes(length)
        try ByteFiles.overwrite(bytes(path), piece, at: random.below(size - length + 1))
      }
      let found = try Found(path, path)
      #expect(hex(found.outcome.a.fullDigest ?? []) == (try sum(path)), "round \(round)")
      #expect(found.outcome.isEqual)
    }
  }
}
