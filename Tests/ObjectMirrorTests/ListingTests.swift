import FileTree
import ObjectStorage
import Platform
import Remotes
import TestSupport
import Testing

@testable import ObjectMirror

/// Both sides list one tree alike.
@Suite struct ListingTests {
  /// Names whose order changes with a slash behind them or with the encoding.
  private static let names: [[UInt8]] =
    [
      "a", "a-b", "a.txt", "a0", "A", "z", "ä", "\u{201b}", "\u{201b}FF", ".hidden", " blank ",
      "new\nline", "back\\slash", "\u{ff0e}",
    ].map { Array($0.utf8) } + [[0xff], [0x61, 0xc3], [0x61, 0xfe, 0x62], [0xef, 0xbf, 0xbf]]

  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func aTreeAndItsKeysComeInOneOrder(_ seed: UInt64) throws {
    let directory = try TemporaryDirectory()
    var random = SeededGenerator(seed: seed)
    let paths = KeyPaths(path: "some/prefix", encoding: .s3)
    var objects: [S3Entry] = []
    try ListingTests.fill(Array(directory.path.utf8), [], depth: 0, &random) { path, size in
      objects.append(ListingTests.object(try paths.key(of: path), size))
    }
    objects.sort { $0.key.lexicographicallyPrecedes($1.key) }
    let local = try ListingTests.local(directory.path)
    let store = ListingTests.store(objects, paths)
    #expect(store.remarks == [])
    #expect(store.entries.count > 30)
    // Directories without files are only in the tree.
    let implied = Set(store.entries.filter(\.isDirectory).map(\.key))
    let full = local.filter { !$0.isDirectory || implied.contains($0.key) }
    #expect(full.map(\.key) == store.entries.map(\.key))
    #expect(full.map(\.path) == store.entries.map(\.path))
    #expect(full.map(\.sizeBytes) == store.entries.map(\.sizeBytes))
    let keys = local.map(\.key)
    #expect(zip(keys, keys.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) })
  }

  @Test func aFilterLeavesOutTheSameOnBothSides() throws {
    let directory = try TemporaryDirectory()
    var random = SeededGenerator(seed: 9)
    let paths = KeyPaths(path: "", encoding: .s3)
    var objects: [S3Entry] = []
    try ListingTests.fill(Array(directory.path.utf8), [], depth: 0, &random) { path, size in
      objects.append(ListingTests.object(try paths.key(of: path), size))
    }
    objects.sort { $0.key.lexicographicallyPrecedes($1.key) }
    var leftOutCount = 0
    for rules in [["- a/", "- *.txt"], ["+ z/**", "- *"], ["- /a*/**"], ["+ *.txt", "- **"]] {
      var options = MirrorFilterOptions()
      options.filter = rules
      let filter = try MirrorFilter(options, now: WallTime(seconds: 0))
      let local = try ListingTests.local(directory.path, filter).filter { !$0.isDirectory }
      let store = ListingTests.store(objects, paths, filter).entries.filter { !$0.isDirectory }
      #expect(local.map(\.key) == store.map(\.key), "\(rules)")
      leftOutCount += objects.count - local.count
    }
    #expect(leftOutCount > 0)
  }

  /// Such keys never become paths; the objects beside them do.
  @Test func unsafeKeysAreToldAndLeftOut() throws {
    let keys = [
      "../up", "..", "a//b", "a/../../b", "a/.", "a/b\0c", "good", "marker/",
      String(repeating: "n", count: 256),
    ]
    let objects = keys.map { ListingTests.object(Array("p/\($0)".utf8), 0) }
      .sorted { $0.key.lexicographicallyPrecedes($1.key) }
    let (entries, remarks) = ListingTests.store(objects, KeyPaths(path: "p", encoding: .s3))
    let files = entries.filter { !$0.isDirectory }.map { String(decoding: $0.path, as: UTF8.self) }
    #expect(files == ["good"])
    #expect(entries.contains { $0.isDirectory && $0.path == Array("marker".utf8) })
    #expect(remarks.count == 7)
    for entry in entries {
      let elements = entry.path.split(separator: 0x2f, omittingEmptySubsequences: false)
      #expect(elements.allSatisfy { !$0.isEmpty && $0 != [0x2e] && $0 != [0x2e, 0x2e] })
    }
  }

  @Test func linksAndDevicesAreToldAndLinksAreListedWhenAsked() throws {
    let directory = try TemporaryDirectory()
    let root = Array(directory.path.utf8)
    try ByteFiles.makeSymlink(ByteFiles.join(root, "link"), target: Array("/etc".utf8))
    try ByteFiles.write(ByteFiles.join(root, "link-2"), [])
    #expect(try ListingTests.local(directory.path).map(\.path) == [Array("link-2".utf8)])
    var options = LocalListingOptions()
    options.storesLinks = true
    let listed = try ListingTests.local(directory.path, options)
    #expect(listed.map(\.kind) == [.file, .link])
    #expect(listed.last?.key == Array("link.rclonelink".utf8))
    #expect(listed.last?.path == Array("link".utf8))
    #expect(listed.last?.sizeBytes == 4)
  }

  @Test func aRootThatIsNotThereIsAFailure() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.makeDirectory("gone")
    let root = try TreeRoot(path: path)
    removeTree(path)
    let stream = EntryStream(root: root, options: LocalListingOptions()) { _ in }
    #expect(throws: MirrorError.self) { try stream.next() }
    let failing = EntryStream { _ in .noSource("it") }
    #expect(throws: MirrorError.self) { try failing.next() }
    let endless = EntryStream { emit in
      while true {
        do { try emit(MirrorEntry(.file, path: [0x61], key: [0x61])) } catch { return nil }
      }
    }
    #expect(try endless.next() != nil)
    endless.stop()
  }

  // MARK: Support

  static func object(_ key: [UInt8], _ size: Int64) -> S3Entry {
    S3Entry(key: key, sizeBytes: size, etag: "", storageClass: "")
  }

  static func local(_ path: String, _ filter: MirrorFilter? = nil) throws -> [MirrorEntry] {
    var options = LocalListingOptions()
    options.filter = filter
    return try local(path, options)
  }

  static func local(_ path: String, _ options: LocalListingOptions) throws -> [MirrorEntry] {
    let listing = LocalListing(root: try TreeRoot(path: path), options: options) { _ in }
    var entries: [MirrorEntry] = []
    while let entry = try listing.next() { entries.append(entry) }
    return entries
  }

  static func store(
    _ objects: [S3Entry], _ paths: KeyPaths, _ filter: MirrorFilter? = nil
  ) -> (entries: [MirrorEntry], remarks: [String]) {
    var entries: [MirrorEntry] = []
    var remarks: [String] = []
    var options = StoreListingOptions()
    options.filter = filter
    var listing = StoreListing(paths: paths, options: options) { remarks.append("\($0)") }
    for object in objects { listing.take(object) { entries.append($0) } }
    return (entries, remarks)
  }

  /// Fills a directory with odd names, down to a depth; `file` is told of each file.
  static func fill(
    _ root: [UInt8], _ path: [UInt8], depth: Int, _ random: inout SeededGenerator,
    _ file: ([UInt8], Int64) throws -> Void
  ) throws {
    for name in names where random.below(3) > 0 {
      let inner = path.isEmpty ? name : path + [0x2f] + name
      let place = ByteFiles.join(root, inner)
      if depth < 2, random.below(3) == 0 {
        try ByteFiles.makeDirectory(place)
        try fill(root, inner, depth: depth + 1, &random, file)
      } else {
        let size = random.below(10)
        try ByteFiles.write(place, [UInt8](repeating: 0x78, count: Int(size)))
        try file(inner, Int64(size))
      }
    }
  }
}
