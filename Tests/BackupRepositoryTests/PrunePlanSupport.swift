import Platform
import Testing

@testable import BackupRepository

/// An index in memory, written down as packs.
struct SmallIndex: PruneIndex {
  struct Blob: Hashable {
    let type: BlobType
    let name: UInt64
  }

  struct Unreadable: DroverError {
    var kind: FailureKind { .corrupt }
    var message: String { "unreadable" }
  }

  var packs: [PackID] = []
  var blobs: [Blob: [PruneCopy]] = [:]
  var sizes: [UInt64] = []
  var entryCount = 0
  var failsAfter = Int.max

  var packCount: Int { packs.count }

  static func id(_ number: UInt64) -> PackID { PackID(words: (number << 56, 0, 0, number)) }

  /// Adds a pack of blobs of a length; the name of the pack is its number.
  @discardableResult
  mutating func addPack(
    _ names: [UInt64], _ type: BlobType = .data, length: UInt32 = 1000, compressed: Bool = true
  ) -> PackID {
    addPack(names.map { Blob(type: type, name: $0) }, length: length, compressed: compressed)
  }

  @discardableResult
  mutating func addPack(_ names: [Blob], length: UInt32, compressed: Bool = true) -> PackID {
    let pack = packs.count
    packs.append(Self.id(UInt64(pack)))
    sizes.append(36)
    for (position, name) in names.enumerated() {
      blobs[name, default: []].append(
        PruneCopy(
          entry: entryCount, pack: pack, offset: UInt32(position) * length, sealedLength: length,
          isCompressed: compressed))
      entryCount += 1
      sizes[pack] += UInt64(length) + (compressed ? 41 : 37)
    }
    return packs[pack]
  }

  func packID(_ pack: Int) throws(Unreadable) -> PackID { packs[pack] }

  func packNumber(_ id: PackID) throws(Unreadable) -> Int? { packs.firstIndex(of: id) }

  func forEachBlob(
    _ body: (BlobType, UnsafeBufferPointer<PruneCopy>) -> Void
  ) throws(Unreadable) {
    for (number, blob) in blobs.sorted(by: { $0.key.name < $1.key.name }).enumerated() {
      guard number < failsAfter else { throw Unreadable() }
      blob.value.withUnsafeBufferPointer { body(blob.key.type, $0) }
    }
  }

  /// The bit of one entry of each named blob, the last one.
  func used(_ names: some Sequence<UInt64>, _ type: BlobType = .data) -> EntryBitmap {
    let used = EntryBitmap(entryCount: entryCount)
    for name in names {
      guard let copies = blobs[Blob(type: type, name: name)] else {
        Issue.record("no blob \(name)")
        continue
      }
      used.insert(copies[copies.count - 1].entry)
    }
    return used
  }

  var listed: [ListedPack] {
    zip(packs, sizes).map { ListedPack(id: $0, sizeBytes: $1) }
  }

  /// Names of the blobs that an execution of the plan would write anew.
  func written(_ plan: PrunePlan) -> [UInt64] {
    guard let kept = plan.keptEntries else { return [] }
    return blobs.flatMap { blob in
      blob.value.filter { kept.contains($0.entry) }.map { _ in blob.key.name }
    }.sorted()
  }

  static let now = CivilTime(seconds: 1_700_000_000)

  func plan(
    _ used: EntryBitmap, listed: [ListedPack]? = nil, marks: [PruneMark] = [],
    options: PruneOptions = exact
  ) throws(PrunePlanError) -> PrunePlan {
    try PrunePlan(
      self, used: used, listed: listed ?? self.listed, marks: marks, now: Self.now,
      options: options)
  }

  /// Nothing unused is left over, no pack counts as small.
  static var exact: PruneOptions {
    var options = PruneOptions()
    options.maxUnused = .bytes(0)
    options.smallPacks = .smallerThan(0)
    return options
  }
}
