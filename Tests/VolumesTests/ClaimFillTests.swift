import Glibc
import Manifests
import Platform
import TestSupport
import Testing
import Volumes

@Suite struct ClaimFillTests {
  private let claim = ObjectKey(kind: "PersistentVolumeClaim", namespace: "ns", name: "c")

  private func image(_ bench: VolumeBench) throws -> ReplicaImage {
    let request = ImageStore.Request(bench.volume, base: "data", namespace: "ns", owner: "ns/d")
    return try ImageStore(bench.maker()).make(request, at: WallTime(seconds: 1_783_000_000))
  }

  private func fill(_ root: String, _ mode: VolumeMode, capacity: UInt64?) -> ClaimFill {
    ClaimFill(claim, Provision(root: root, mode: mode, capacityBytes: capacity))
  }

  @Test func aClaimOnBtrfsIsAWritableSubvolume() throws {
    let mount = try LoopMount(.btrfs, sizeBytes: 200 << 20)
    let bench = try VolumeBench(try makeSubvolume("data", in: mount.path))
    try overwrite("\(bench.volume.path)/a", [1])
    let fill = fill("\(mount.path)/claims", .filesystem, capacity: nil)
    #expect(try fill.fill(from: image(bench)) { false } == CopyFacts(.btrfs, .atomic))
    let raw = open(fill.path, O_RDONLY)
    defer { close(raw) }
    #expect(Subvolumes.isRoot(raw))
    try overwrite("\(fill.path)/a", [2])
    #expect(try content("\(fill.path)/a") == [2])
  }

  /// From one file system to another, extents cannot be shared.
  @Test func aClaimElsewhereIsACopy() throws {
    let mount = try LoopMount(.btrfs, sizeBytes: 200 << 20)
    let bench = try VolumeBench(try makeSubvolume("data", in: mount.path))
    try MetadataZoo.make(at: bench.volume.path, seed: 6)
    let other = try LoopMount(.btrfs, sizeBytes: 200 << 20)
    let fill = fill("\(other.path)/claims", .filesystem, capacity: nil)
    #expect(try fill.fill(from: image(bench)) { false } == CopyFacts(.copy, .none))
    #expect(try RsyncJudge.differences(source: bench.volume.path, destination: fill.path) == "")
    #expect(try DurableFile.names(in: fill.place.path, countMax: 9) == [])
  }

  @Test func aBlockClaimHasTheSizeItAsksFor() throws {
    let directory = try TemporaryDirectory()
    let disk = directory.path("disk")
    try overwrite(disk, [UInt8](repeating: 5, count: 1 << 20), flags: 0)
    let image = try image(try VolumeBench(disk, .rawImage))
    let small = fill(directory.path("claims"), .block, capacity: (1 << 20) - 1)
    #expect { try small.fill(from: image) { false } } throws: {
      "\($0)".contains("asks for 1048575 bytes, but VolumeSnapshot \(image.name) is of 1048576")
    }
    #expect {
      try fill(directory.path("claims"), .filesystem, capacity: nil).fill(from: image) {
        false
      }
    } throws: { "\($0)".contains("volumeMode") }
    let large = fill(directory.path("claims"), .block, capacity: 3 << 20)
    _ = try large.fill(from: image) { false }
    let bytes = try content(large.path)
    #expect(bytes.count == 3 << 20)
    #expect(bytes[(1 << 20) - 1] == 5 && bytes[1 << 20] == 0)
  }

  @Test func whatIsFilledIsNeverWrittenOver() throws {
    let directory = try TemporaryDirectory()
    let bench = try VolumeBench(try directory.makeDirectory("data"))
    let fill = fill(directory.path("claims"), .filesystem, capacity: nil)
    _ = try fill.fill(from: image(bench)) { false }
    try overwrite("\(fill.path)/own", [1])
    #expect(fill.isDone)
    #expect { try fill.fill(from: image(bench)) { false } } throws: {
      "\($0)".contains("File exists")
    }
    #expect(try content("\(fill.path)/own") == [1])
    #expect(try DurableFile.names(in: fill.place.path, countMax: 9) == [])
  }

  @Test func aFillingThatWasCutShortIsBegunAgain() throws {
    let directory = try TemporaryDirectory()
    let bench = try VolumeBench(try directory.makeDirectory("data"))
    try overwrite("\(bench.volume.path)/a", [1])
    let fill = fill(directory.path("claims"), .filesystem, capacity: nil)
    let unfinished = "\(fill.place.path)/ns.vs-prime-c"
    try VolumeMaker().makeRoot(unfinished)
    try overwrite("\(unfinished)/half", [1])
    try overwrite("\(unfinished).making", [])
    _ = try fill.fill(from: image(bench)) { false }
    #expect(try DurableFile.names(in: fill.path, countMax: 9) == ["a"])
    #expect(try DurableFile.names(in: fill.place.path, countMax: 9) == [])
  }
}
