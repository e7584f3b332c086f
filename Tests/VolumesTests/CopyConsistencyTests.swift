import Glibc
import Manifests
import Platform
import TestSupport
import Testing
import Volumes

/// How far copies are of one moment, each method on a file system of its own.
@Suite struct CopyConsistencyTests {
  private static let countSampled = 8

  /// Two files that a writer changes in lock step, with a large one between them.
  private func lockStep(_ volume: String) throws -> Writer {
    try overwrite("\(volume)/m", [UInt8](repeating: 7, count: 24 << 20), flags: 0)
    return Writer { number in
      try overwrite("\(volume)/a", digits(number))
      try overwrite("\(volume)/z", digits(number))
    }
  }

  /// The numbers of both files in each of several copies.
  private func numbers(
    _ bench: VolumeBench, _ method: CopyParameters.Method?, _ expected: CopyFacts
  ) throws -> [(first: Int, last: Int)] {
    let writer = try lockStep(bench.volume.path)
    var found: [(Int, Int)] = []
    for _ in 0..<SampledCounts.count(sampled: Self.countSampled, full: 100) {
      let copy = try bench.copy(method)
      #expect(copy.facts == expected)
      found.append((try number("\(copy.path)/a"), try number("\(copy.path)/z")))
      try copy.remove()
      #expect(try bench.names == [])
      // Also on a busy machine each copy is made while the writer is at work.
      writer.waitForRound()
    }
    try writer.end()
    return found
  }

  @Test func aSnapshotOfASubvolumeIsOfOneMoment() throws {
    let mount = try LoopMount(.btrfs, sizeBytes: 400 << 20)
    let bench = try VolumeBench(try makeSubvolume("data", in: mount.path))
    let found = try numbers(bench, nil, CopyFacts(.btrfs, .atomic))
    // The second is written after the first.
    for (first, last) in found { #expect(first == last || first == last + 1) }
    #expect(Set(found.map(\.last)).count == found.count)
  }

  @Test func aPlainCopyOfTheSameIsNot() throws {
    let mount = try LoopMount(.btrfs, sizeBytes: 400 << 20)
    let bench = try VolumeBench(try makeSubvolume("data", in: mount.path))
    let found = try numbers(bench, .copy, CopyFacts(.copy, .none))
    #expect(found.contains { $0 != $1 && $0 != $1 + 1 })
  }

  @Test func whereExtentsAreSharedEachFileIsOfOneMoment() throws {
    let mount = try LoopMount(.xfs, sizeBytes: 400 << 20)
    let volume = "\(mount.path)/data"
    try #require(mkdir(volume, 0o755) == 0)
    let bench = try VolumeBench(volume)
    let sizeBytes = 2 << 20
    let writer = Writer { number in
      let bytes = [UInt8](repeating: UInt8(number % 251), count: sizeBytes)
      for name in ["a", "b"] { try overwrite("\(volume)/\(name)", bytes, flags: 0) }
    }
    var values: Set<UInt8> = []
    for _ in 0..<SampledCounts.count(sampled: Self.countSampled, full: 100) {
      let copy = try bench.copy()
      #expect(copy.facts == CopyFacts(.reflink, .perFile))
      for name in ["a", "b"] {
        let bytes = try content("\(copy.path)/\(name)")
        #expect(bytes.count == sizeBytes && Set(bytes).count == 1)
        values.formUnion(bytes.prefix(1))
      }
      try copy.remove()
      writer.waitForRound()
    }
    try writer.end()
    #expect(values.count > 1)
  }

  @Test(arguments: [LoopMount.FileSystem.ext4, .xfs])
  func anImageIsOfOneMomentWhereExtentsAreShared(kind: LoopMount.FileSystem) throws {
    let mount = try LoopMount(kind, sizeBytes: 64 << 20)
    let image = "\(mount.path)/disk"
    try overwrite(image, [UInt8](repeating: 3, count: 1 << 20))
    try #require(truncate(image, 24 << 20) == 0)
    let bench = try VolumeBench(image, .rawImage)
    let copy = try bench.copy()
    #expect(
      copy.facts == (kind == .xfs ? CopyFacts(.reflink, .atomic) : CopyFacts(.copy, .none)))
    var status = stat()
    #expect(stat(copy.path, &status) == 0)
    // The capacity of the volume, and its holes.
    #expect(status.st_size == 24 << 20)
    #expect(status.st_blocks * 512 < 4 << 20)
    #expect(try content(copy.path) == content(image))
    try copy.remove()
    #expect(try bench.names == [])
  }

  @Test func onOtherFileSystemsAPlainCopySaysSo() throws {
    let mount = try LoopMount(.ext4, sizeBytes: 64 << 20)
    let volume = "\(mount.path)/data"
    try #require(mkdir(volume, 0o755) == 0)
    try overwrite("\(volume)/a", [1])
    let bench = try VolumeBench(volume)
    let copy = try bench.copy()
    #expect(copy.facts == CopyFacts(.copy, .none))
    #expect(copy.facts.text == "copy, not atomic")
    try copy.remove()
    #expect { try bench.copy(.reflink) } throws: {
      "\($0)" == "the method reflink cannot copy \(volume): its file system has no shared extents"
    }
    #expect { try bench.copy(.btrfs) } throws: {
      "\($0)" == "the method btrfs cannot copy \(volume): it is no subvolume of btrfs"
    }
    #expect(try bench.names == [])
  }
}
