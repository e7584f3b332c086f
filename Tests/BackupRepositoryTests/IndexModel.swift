import Platform
import TestSupport

@testable import BackupRepository

/// Index files of a made-up repository, and the naive dictionary that the index has to agree with.
struct IndexModel {
  struct Entry: Hashable {
    var blob: BlobHandle
    var offset: UInt32
    var sealedLength: UInt32
    var plaintextLength: UInt32
  }

  struct Pack {
    var id: PackID
    var entries: [Entry]
    var isMarked = false
  }

  private(set) var files: [IndexID: [Pack]] = [:]
  private var random: SeededGenerator
  private(set) var blobs: [BlobHandle] = []

  init(seed: UInt64) { random = SeededGenerator(seed: seed) }

  var ids: [IndexID] { Array(files.keys) }

  mutating func identifier<Role>() -> Identifier<Role> {
    Identifier(words: (random.next(), random.next(), random.next(), random.next()))
  }

  /// Adds an index file of `packCount` packs; some blobs are copies of known ones, and some packs
  /// stand in another file already.
  @discardableResult
  mutating func addFile(packCount: Int, blobsPerPack: Int = 8) -> IndexID {
    var packs: [Pack] = []
    for _ in 0..<packCount {
      if random.chance(0.05), let known = files.values.first?.first {
        packs.append(known)
        continue
      }
      packs.append(makePack(blobsPerPack))
    }
    let id: IndexID = identifier()
    files[id] = packs
    return id
  }

  private mutating func makePack(_ blobCount: Int) -> Pack {
    var pack = Pack(id: identifier(), entries: [], isMarked: random.chance(0.1))
    var offset: UInt32 = 0
    for _ in 0..<random.below(2 * blobCount) {
      let blob: BlobHandle
      if random.chance(0.2), !blobs.isEmpty {
        // A copy, or the same identifier with the other type.
        let known = random.pick(blobs)
        let other: BlobType = known.type == .data ? .tree : .data
        blob = BlobHandle(random.chance(0.2) ? other : known.type, known.id)
      } else {
        blob = BlobHandle(random.chance(0.3) ? .tree : .data, identifier())
      }
      blobs.append(blob)
      let length = UInt32(32 + random.below(1 << 20))
      let plain = random.chance(0.5) ? UInt32(1 + random.below(1 << 20)) : 0
      pack.entries.append(
        Entry(blob: blob, offset: offset, sealedLength: length, plaintextLength: plain))
      offset += length
    }
    return pack
  }

  mutating func removeFile() {
    guard let id = files.keys.min() else { return }
    files[id] = nil
  }

  /// A blob that no file lists.
  mutating func missingBlob() -> BlobHandle {
    BlobHandle(random.chance(0.5) ? .data : .tree, identifier())
  }

  // MARK: The other side

  /// All places of all blobs, by naive means.
  func places(marked: Bool = false) -> [BlobHandle: Set<BlobLocation>] {
    var result: [BlobHandle: Set<BlobLocation>] = [:]
    for pack in files.values.joined() where pack.isMarked == marked {
      for entry in pack.entries {
        let location = BlobLocation(
          pack: pack.id, offset: entry.offset, sealedLength: entry.sealedLength,
          plaintextLength: entry.plaintextLength)
        result[entry.blob, default: []].insert(location)
      }
    }
    return result
  }

  func json(_ id: IndexID) -> [UInt8] {
    let packs = files[id] ?? []
    let live = packs.filter { !$0.isMarked }.map(text).joined(separator: ",")
    let marked = packs.filter { $0.isMarked }.map(text).joined(separator: ",")
    return Array(
      "{\"supersedes\":[],\"packs\":[\(live)],\"packs_to_delete\":[\(marked)],\"x\":{\"y\":[1]}}\n"
        .utf8)
  }

  private func text(_ pack: Pack) -> String {
    let blobs = pack.entries.map { entry in
      let plain =
        entry.plaintextLength > 0 ? ",\"uncompressed_length\":\(entry.plaintextLength)" : ""
      return "{\"id\":\"\(entry.blob.id.hex)\",\"type\":\"\(entry.blob.type)\","
        + "\"offset\":\(entry.offset),\"length\":\(entry.sealedLength)\(plain)}"
    }
    return "{\"id\":\"\(pack.id.hex)\",\"time\":null,\"blobs\":[\(blobs.joined(separator: ","))]}"
  }
}

/// Loads models and counts the index files that were read.
final class IndexFixture: Sendable {
  let directory: TemporaryDirectory
  let loader: IndexLoader
  private let lock = Lock()
  private nonisolated(unsafe) var reads: [IndexID] = []

  init(threadCount: Int = 2, secret: UInt8 = 1, in directory: TemporaryDirectory? = nil) throws {
    self.directory = try directory ?? TemporaryDirectory()
    loader = try IndexLoader(
      repository: [UInt8](repeating: 7, count: 32), secret: [UInt8](repeating: secret, count: 32),
      cacheDirectory: self.directory.path, temporaryDirectory: "/tmp", threadCount: threadCount)
  }

  /// The files read since the last call.
  func takeReads() -> Set<IndexID> {
    lock.withLock {
      defer { reads = [] }
      return Set(reads)
    }
  }

  func load(_ model: IndexModel) throws -> BlobIndex {
    try loader.load(model.ids) { [self] id, text in
      lock.withLock { reads.append(id) }
      let json = model.json(id)
      guard json.withUnsafeBytes({ text.assign($0) }) else { throw TestFailure("too long") }
    }
  }

  /// The paths of the segments in the cache.
  func segmentPaths() throws -> [String] {
    let folder = "\(directory.path)/\(String(repeating: "07", count: 32))/drover-index-1"
    let names = try runProcess("ls", [folder]).outputText.split(separator: "\n")
    return names.filter { $0.hasSuffix(".segment") }.map { "\(folder)/\($0)" }
  }
}

/// What an index says against what the model says; the first differences.
func differences(_ index: BlobIndex, _ model: inout IndexModel) throws -> [String] {
  var found: [String] = []
  let places = model.places()
  for blob in Set(model.blobs) {
    let expected = places[blob] ?? []
    let actual = try index.locations(of: blob)
    if Set(actual) != expected || actual.count != expected.count {
      found.append("places of \(blob.type) \(blob.id.short): \(actual), not \(expected)")
    }
    if try index.contains(blob) == expected.isEmpty { found.append("presence of \(blob.id.short)") }
    let place = try index.lookup(blob)
    if let place, !expected.contains(place) { found.append("wrong place of \(blob.id.short)") }
    if place == nil, !expected.isEmpty { found.append("no place of \(blob.id.short)") }
  }
  for _ in 0..<200 {
    let blob = model.missingBlob()
    if try index.contains(blob) || index.lookup(blob) != nil { found.append("found a stranger") }
  }
  return Array(found.prefix(5))
}
