import Glibc
import Manifests
import Platform
import TestSupport
import Testing
import Volumes

@Suite struct ReplicaImageTests {
  private let time = WallTime(seconds: 1_783_000_000)

  private func request(_ bench: VolumeBench) -> ImageStore.Request {
    ImageStore.Request(bench.volume, base: "data", namespace: "ns", owner: "ns/d")
  }

  @Test(arguments: [LoopMount.FileSystem.btrfs, .xfs, .ext4])
  func imagesAreNamedByTheirTimeAndKeepWhatTheyHold(kind: LoopMount.FileSystem) throws {
    let mount = try LoopMount(kind, sizeBytes: 128 << 20)
    let data =
      kind == .btrfs ? try makeSubvolume("data", in: mount.path) : "\(mount.path)/data"
    if kind != .btrfs { try #require(mkdir(data, 0o755) == 0) }
    let bench = try VolumeBench(data)
    let store = ImageStore(bench.maker())
    for number in 1...3 {
      try overwrite("\(data)/a", digits(number))
      // All within one second.
      _ = try store.make(request(bench), at: time)
    }
    let images = try store.images(of: "ns/d")
    #expect(
      images.map(\.name) == ["data-20260702134640", "data-20260702134641", "data-20260702134642"])
    #expect(try images.map { try number("\($0.path)/a") } == [1, 2, 3])
    let expected: CopyFacts =
      switch kind {
      case .btrfs: CopyFacts(.btrfs, .atomic)
      case .xfs: CopyFacts(.reflink, .perFile)
      case .ext4: CopyFacts(.copy, .none)
      }
    #expect(images.allSatisfy { $0.facts == expected })
    #expect(try store.images(of: "ns/other").isEmpty)
    #expect(try store.image("data-20260702134641", in: "ns") == images[1])
    // What is complete is no leftover.
    #expect(CopyMaker.removeLeftovers(in: bench.place) { _ in nil }.removed.isEmpty)
    #expect(try store.remove(images[0]))
    #expect(try store.images(of: "ns/d") == Array(images.dropFirst()))
    #expect(try bench.names.count == 4)
  }

  @Test func anImageOfABlockVolumeHasItsSize() throws {
    let mount = try LoopMount(.xfs, sizeBytes: 64 << 20)
    let disk = "\(mount.path)/disk"
    try overwrite(disk, [1])
    try #require(truncate(disk, 16 << 20) == 0)
    let bench = try VolumeBench(disk, .rawImage)
    let image = try ImageStore(bench.maker()).make(request(bench), at: time)
    #expect(image.sizeBytes == 16 << 20)
    #expect(image.form == .rawImage)
    #expect(image.facts == CopyFacts(.reflink, .atomic))
  }

  @Test func whatWasCutShortIsNoImage() throws {
    let directory = try TemporaryDirectory()
    let bench = try VolumeBench(try directory.makeDirectory("data"))
    let store = ImageStore(bench.maker())
    let image = try store.make(request(bench), at: time)
    // Cut short while it was made and written down, and after it was published.
    for name in ["ns.data-20990101000000", "ns.\(image.name)"] {
      try overwrite("\(bench.place.path)/\(name).making", [])
      try overwrite("\(bench.place.path)/\(name).image-new", Array("{".utf8))
    }
    try #require(mkdir("\(bench.place.path)/ns.data-20990101000000", 0o700) == 0)
    #expect(try store.images(of: "ns/d") == [image])
    let result = CopyMaker.removeLeftovers(in: bench.place) { _ in nil }
    #expect(result.failures.isEmpty)
    #expect(try bench.names == ["ns.\(image.name)", "ns.\(image.name).image"])
    #expect(try store.images(of: "ns/d") == [image])
  }

  @Test func anImageThatIsReadStays() throws {
    let directory = try TemporaryDirectory()
    let bench = try VolumeBench(try directory.makeDirectory("data"))
    let store = ImageStore(bench.maker())
    let image = try store.make(request(bench), at: time)
    do {
      let held = try #require(try store.hold(image))
      let isRemoved = try store.remove(image)
      #expect(!isRemoved && access(image.path, F_OK) == 0)
      withExtendedLifetime(held) {}
    }
    #expect(try store.remove(image))
    #expect(access(image.path, F_OK) != 0)
  }

  @Test func theNewestAreKeptAndThoseForGoodDoNotCount() throws {
    let directory = try TemporaryDirectory()
    let bench = try VolumeBench(try directory.makeDirectory("data"))
    let store = ImageStore(bench.maker())
    let images = try (0..<5).map { _ in try store.make(request(bench), at: time) }
    func surplus(_ countMax: Int, kept: Set<Int> = []) -> [Int] {
      ImageStore.surplus(images, countMax: countMax) { image in
        kept.contains { images[$0] == image }
      }.compactMap { images.firstIndex(of: $0) }
    }
    #expect(surplus(1) == [0, 1, 2, 3])
    #expect(surplus(5) == [])
    #expect(surplus(2, kept: [4, 0]) == [1])
  }

  // MARK: Volumes that are made

  private func provisioned(
    _ root: String, _ mode: VolumeMode, capacity: UInt64?
  ) -> BoundVolume {
    let claim = ObjectKey(kind: "PersistentVolumeClaim", namespace: "ns", name: "c")
    let provision = Provision(root: root, mode: mode, capacityBytes: capacity)
    var volume = BoundVolume(
      path: provision.path(of: claim), form: mode == .block ? .rawImage : .directory, claim: claim)
    volume.provision = provision
    return volume
  }

  @Test func aVolumeIsMadeOnce() throws {
    let directory = try TemporaryDirectory()
    let volume = provisioned(directory.path("a/volumes"), .filesystem, capacity: 1 << 20)
    #expect(try VolumeMaker().make(volume))
    #expect(volume.path == directory.path("a/volumes/ns.c"))
    try overwrite("\(volume.path)/file", [1])
    #expect(try !VolumeMaker().make(volume))
    #expect(access("\(volume.path)/file", F_OK) == 0)
    try VolumeMaker().remove(volume)
    #expect(!volume.isThere)
    try VolumeMaker().remove(volume)
  }

  @Test func aBlockVolumeHasItsCapacity() throws {
    let directory = try TemporaryDirectory()
    let volume = provisioned(directory.path("volumes"), .block, capacity: 5 << 20)
    #expect(try VolumeMaker().make(volume))
    var status = stat()
    #expect(stat(volume.path, &status) == 0 && status.st_size == 5 << 20)
    #expect(try DurableFile.names(in: directory.path("volumes"), countMax: 9) == ["ns.c"])
  }

  @Test func onBtrfsAVolumeIsASubvolume() throws {
    let mount = try LoopMount(.btrfs, sizeBytes: 128 << 20)
    let volume = provisioned("\(mount.path)/volumes", .filesystem, capacity: nil)
    #expect(try VolumeMaker().make(volume))
    let raw = open(volume.path, O_RDONLY)
    defer { close(raw) }
    #expect(Subvolumes.isRoot(raw))
    try VolumeMaker().remove(volume)
    #expect(!volume.isThere)
  }

  @Test func aVolumeNeedsRoomForItsCapacity() throws {
    let mount = try LoopMount(.ext4, sizeBytes: 8 << 20)
    for mode in [VolumeMode.filesystem, .block] {
      let volume = provisioned("\(mount.path)/volumes", mode, capacity: 1 << 30)
      #expect { try VolumeMaker().make(volume) } throws: {
        "\($0)".contains("needs 1073741824 bytes, and \(mount.path)/volumes has")
      }
      #expect(!volume.isThere)
    }
  }
}
