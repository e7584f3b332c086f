import Glibc
import Manifests
import Platform
import TestSupport
import Testing
import Volumes

/// What is in a copy, where it stands, and that it goes away.
@Suite struct PointInTimeCopyTests {
  @Test(arguments: [CopyParameters.Method.reflink, .copy])
  func aCopyHasAllOfItsVolume(method: CopyParameters.Method) throws {
    let mount = try LoopMount(.xfs, sizeBytes: 600 << 20)
    let volume = "\(mount.path)/data"
    try #require(mkdir(volume, 0o755) == 0)
    try MetadataZoo.make(at: volume, seed: 5)
    let copy = try VolumeBench(volume).copy(method)
    #expect(try RsyncJudge.differences(source: volume, destination: copy.path) == "")
    try copy.remove()
  }

  /// Beside a volume; within one that is the root of a file system, and in no copy of it.
  @Test(arguments: [LoopMount.FileSystem.btrfs, .xfs])
  func aMountedVolumeHoldsItsOwnCopies(kind: LoopMount.FileSystem) throws {
    let mount = try LoopMount(kind, sizeBytes: 128 << 20)
    try overwrite("\(mount.path)/a", [1, 2])
    let bench = try VolumeBench(mount.path)
    #expect(bench.place.path == "\(mount.path)/.drover-copies")
    #expect(bench.place.isInside)
    let first = try bench.copy()
    let second = try bench.copy(name: "ns.second")
    #expect(second.facts.method == (kind == .btrfs ? .btrfs : .reflink))
    #expect(try DurableFile.names(in: second.path, countMax: 9) == ["a"])
    #expect(try content("\(second.path)/a") == [1, 2])
    try first.remove()
    try second.remove()
    #expect(try bench.names == [])
  }

  @Test func whatAKilledProcessLeftIsRemovedAndWhatIsInUseStays() throws {
    let mount = try LoopMount(.btrfs, sizeBytes: 128 << 20)
    let bench = try VolumeBench(try makeSubvolume("data", in: mount.path))
    try overwrite("\(bench.volume.path)/a", [1])
    let used = try bench.copy(name: "ns.used")
    // Records without a holder, as a process leaves them that was killed: before it had written
    // what it makes, and after.
    for (name, method) in [("ns.empty", ""), ("ns.tree", "copy"), ("ns.snapshot", "btrfs")] {
      let text = method.isEmpty ? "" : "{\"method\":\"\(method)\",\"volume\":\"/x\"}"
      try overwrite("\(bench.place.path)/\(name).making", Array(text.utf8))
    }
    let tree = "\(bench.place.path)/ns.tree"
    try #require(mkdir(tree, 0o700) == 0)
    try overwrite("\(tree)/file", [1])
    _ = try makeSubvolume("ns.snapshot", in: bench.place.path)
    let result = CopyMaker.removeLeftovers(in: bench.place) { _ in nil }
    #expect(result.failures.isEmpty)
    #expect(
      result.removed == ["empty", "snapshot", "tree"].map { "\(bench.place.path)/ns.\($0)" })
    #expect(try bench.names == ["ns.used", "ns.used.making"])
    #expect { try bench.copy(name: "ns.used") } throws: { "\($0)".contains("is in use") }
    try used.remove()
    #expect(try bench.names == [])
  }

  /// A copy under the name of one that was left over is a fresh one.
  @Test func aLeftoverOfTheSameNameIsReplaced() throws {
    let directory = try TemporaryDirectory()
    let bench = try VolumeBench(try directory.makeDirectory("data"))
    try overwrite("\(bench.volume.path)/a", [1])
    try bench.copy().remove()
    try overwrite("\(bench.place.path)/ns.copy.making", [])
    try #require(mkdir("\(bench.place.path)/ns.copy", 0o700) == 0)
    try overwrite("\(bench.place.path)/ns.copy/old", [1])
    let copy = try bench.copy()
    #expect(try DurableFile.names(in: copy.path, countMax: 9) == ["a"])
    try copy.remove()
    #expect(try bench.names == [])
  }

  @Test func aCopyThatIsCancelledLeavesNothing() throws {
    let directory = try TemporaryDirectory()
    let bench = try VolumeBench(try directory.makeDirectory("data"))
    for number in 0..<50 { try overwrite("\(bench.volume.path)/\(number)", [1], flags: 0) }
    let asked = Counter()
    #expect {
      _ = try PointInTimeCopy(
        "ns.copy", of: bench.volume,
        with: bench.maker(.copy) {
          return asked.next() > 20
        }, className: nil, capacityBytes: nil)
    } throws: {
      ($0 as? VolumeError)?.kind == .cancelled
    }
    #expect(try bench.names == [])
  }

  @Test func aVolumeThatHoldsMoreThanItsCapacityIsNotCopied() throws {
    let directory = try TemporaryDirectory()
    let bench = try VolumeBench(try directory.makeDirectory("data"))
    try overwrite("\(bench.volume.path)/a", [UInt8](repeating: 1, count: 5000), flags: 0)
    try bench.copy(capacityBytes: 5000).remove()
    #expect { try bench.copy(capacityBytes: 4999) } throws: {
      "\($0)" == "\(bench.volume.path) holds 5000 bytes, more than the capacity of 4999"
    }
    #expect(try bench.names == [])
  }

  @Test func aPlainCopyNeedsRoom() throws {
    let small = try LoopMount(.ext4, sizeBytes: 8 << 20)
    let directory = try TemporaryDirectory()
    let volume = try directory.makeDirectory("data")
    try overwrite("\(volume)/a", [UInt8](repeating: 1, count: 12 << 20), flags: 0)
    var parameters = CopyParameters()
    parameters.root = "\(small.path)/copies"
    let bound = BoundVolume(path: volume, form: .directory, claim: nil)
    let maker = CopyMaker(try CopyPlace(for: bound, root: parameters.root), parameters)
    #expect {
      _ = try PointInTimeCopy(
        "c", of: bound, with: maker, className: nil, capacityBytes: nil)
    } throws: {
      "\($0)".contains("needs 12582912 bytes, and \(small.path)/copies has")
    }
    #expect(try DurableFile.names(in: "\(small.path)/copies", countMax: 9) == [])
  }

  @Test func aPlaceThatOthersMayChangeIsRefused() throws {
    let directory = try TemporaryDirectory()
    let bench = try VolumeBench(try directory.makeDirectory("data"))
    try #require(mkdir(bench.place.path, 0o755) == 0)
    try #require(chmod(bench.place.path, 0o777) == 0)
    #expect { try bench.copy() } throws: { "\($0)".contains("cannot hold copies") }
  }

  // MARK: Commands

  private func commands(_ create: String, _ delete: String) -> CopyParameters {
    var parameters = CopyParameters()
    parameters.method = .command
    parameters.create = create
    parameters.delete = delete
    parameters.consistency = .atomic
    return parameters
  }

  private func copy(_ bench: VolumeBench, _ parameters: CopyParameters) throws -> PointInTimeCopy {
    try PointInTimeCopy(
      "ns.copy", of: bench.volume,
      with: CopyMaker(bench.place, parameters, variables: ["DROVER_CLAIM": "data"]),
      className: "c", capacityBytes: nil)
  }

  @Test func commandsOfTheUserMakeAndRemoveACopy() throws {
    let directory = try TemporaryDirectory()
    let bench = try VolumeBench(try directory.makeDirectory("data"))
    try overwrite("\(bench.volume.path)/a", [9])
    let parameters = commands(
      "cp -a \"$DROVER_VOLUME\" \"$DROVER_COPY\" && echo $DROVER_CLAIM > \"$DROVER_COPY/of\"",
      "rm -rf \"$DROVER_COPY\"")
    let made = try copy(bench, parameters)
    #expect(made.facts == CopyFacts(.command, .atomic))
    #expect(try content("\(made.path)/a") == [9])
    #expect(try content("\(made.path)/of") == Array("data\n".utf8))
    try made.remove()
    #expect(try bench.names == [])
  }

  @Test func aCommandThatFailsIsTold() throws {
    let directory = try TemporaryDirectory()
    let bench = try VolumeBench(try directory.makeDirectory("data"))
    for (create, delete, expected) in [
      ("echo no room >&2; exit 3", "true", "the command create ended with code 3: no room"),
      (
        "true", "true",
        "the command create has made nothing at \(bench.place.path)/ns.copy"
      ),
    ] {
      #expect { _ = try copy(bench, commands(create, delete)) } throws: { "\($0)" == expected }
      #expect(try bench.names == [])
    }
    // A copy that cannot be removed stays known.
    let kept = try copy(bench, commands("touch \"$DROVER_COPY\"", "exit 1"))
    #expect { try kept.remove() } throws: { "\($0)" == "the command delete ended with code 1" }
    #expect(try bench.names == ["ns.copy", "ns.copy.making"])
  }
}
