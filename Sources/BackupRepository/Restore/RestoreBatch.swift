import Cryptography
import FileTree
import Platform

/// One blob at one place of a file.
struct RestorePiece {
  let id: BlobID
  let fileOffset: Int64
  /// Number of the ``RestoreItem`` in its batch.
  let item: UInt32
  /// Number of the pack in its batch.
  let pack: UInt32
  let offset: UInt32
  let sealedLength: UInt32
  /// 0 when it is stored uncompressed.
  let plaintextLength: UInt32
  /// The target has this content already. Written by the one thread that compares it.
  var isPresent = false

  var byteCount: Int {
    plaintextLength == 0
      ? Int(sealedLength) - Sealer.overheadByteCount : Int(plaintextLength)
  }
}

/// What stands in the target where an entry is to be restored.
enum RestoreObstacle: UInt8 {
  case none
  /// A regular file with one name, or one whose names are all to be kept: its content may be used.
  case file
  /// The unfinished file of an earlier run.
  case partial
  /// Something that a rename replaces.
  case other
  case directory
}

/// A file or special entry to be restored.
struct RestoreItem {
  let listing: DirectoryListing
  let entryNumber: Int
  let pieces: Range<Int>
  let obstacle: RestoreObstacle
  /// Other names of the obstacle exist, so that it is never written to.
  let isShared: Bool
  /// Its content counts as right.
  let isMetadataOnly: Bool
  let sizeBytes: Int64

  // What happens to it.
  var hasFailed = false
  /// A temporary file of this name exists.
  var temporary: UInt64?
  /// The temporary file is the earlier file with the pieces that are present.
  var hasBasis = false
  /// Something was written to the basis.
  var isTouched = false
  /// Pieces that are still to come.
  var missingCount = 0

  var entry: Entry { listing.entries[entryNumber] }
  var path: [UInt8] { listing.path(of: entry) }
}

/// A directory in which everything has been planned.
struct RestoreDirectory {
  /// Number of its entry in the batch's ``RestoreBatch/directories``; its name is its whole path.
  /// nil for the root, whose attributes are not part of a snapshot.
  let entryNumber: Int?
  let path: [UInt8]
  /// What is to be removed.
  let extras: [[UInt8]]
  /// Unfinished files of an earlier run.
  let leftovers: [[UInt8]]
}

/// A part of a restore that is planned and then done as a whole, so that memory does not grow with
/// the snapshot.
///
/// The planner fills it; once it is handed over, the listings it points to do not change. During a
/// phase different threads touch different pieces; items are read and changed under the lock.
final class RestoreBatch: @unchecked Sendable {
  private(set) var packs: [PackID] = []
  private var packNumbers: [PackID: UInt32] = [:]
  private(set) var itemList: [RestoreItem] = []
  private(set) var pieceList: [RestorePiece] = []
  /// Further names: listing and number of the entry, and what stands there.
  var links: [(listing: DirectoryListing, entryNumber: Int, obstacle: RestoreObstacle)] = []
  let directoryEntries = DirectoryListing(path: [])
  /// Children before their parents.
  var directories: [RestoreDirectory] = []

  /// Set by ``seal()``.
  private(set) var items = UnsafeMutableBufferPointer<RestoreItem>(start: nil, count: 0)
  private(set) var pieces = UnsafeMutableBufferPointer<RestorePiece>(start: nil, count: 0)
  private let lock = Lock()

  deinit {
    items.deinitialize()
    items.deallocate()
    pieces.deallocate()
  }

  var isEmpty: Bool { itemList.isEmpty && links.isEmpty && directories.isEmpty }

  func isFull(_ itemCountMax: Int) -> Bool {
    itemList.count + links.count + directories.count >= itemCountMax
      || pieceList.count >= RestoreLimits.batchPieceCountMax
  }

  func packNumber(_ pack: PackID) -> UInt32 {
    if let number = packNumbers[pack] { return number }
    let number = UInt32(packs.count)
    packs.append(pack)
    packNumbers[pack] = number
    return number
  }

  var pieceCount: Int { pieceList.count }
  var nextItem: UInt32 { UInt32(itemList.count) }

  func append(_ piece: RestorePiece) { pieceList.append(piece) }
  func append(_ item: RestoreItem) { itemList.append(item) }
  func removePieces(from start: Int) { pieceList.removeSubrange(start...) }

  /// An item as it is now; another thread may be changing it.
  func item(_ number: Int) -> RestoreItem { lock.withLock { items[number] } }

  /// Changes an item that other threads may be looking at.
  func change<R>(_ number: Int, _ body: (inout RestoreItem) -> R) -> R {
    lock.withLock { body(&items[number]) }
  }

  /// The batch is complete: items and pieces stand where threads may change them.
  func seal() {
    items = .allocate(capacity: itemList.count)
    _ = items.initialize(from: itemList)
    pieces = .allocate(capacity: pieceList.count)
    _ = pieces.initialize(from: pieceList)
    itemList = []
    pieceList = []
    packNumbers = [:]
  }
}

/// A read of a pack and the pieces that are in it.
struct ReadUnit: Equatable {
  let pack: UInt32
  let offset: Int64
  var byteCount: Int
  /// Positions in the order of pieces that the units were made from.
  var places: Range<Int>
}

extension ReadUnit {
  /// Joins pieces, ordered by pack and offset, to reads: neighbours, and such with small gaps.
  static func joining(
    _ order: [UInt32], _ piece: (UInt32) -> RestorePiece,
    byteCountMax: Int = RestoreLimits.readByteCountMax,
    gapMax: Int = RestoreLimits.gapByteCountMax
  ) -> [ReadUnit] {
    var units: [ReadUnit] = []
    for (place, number) in order.enumerated() {
      let piece = piece(number)
      let start = Int64(piece.offset)
      let end = start + Int64(piece.sealedLength)
      if let last = units.last, last.pack == piece.pack {
        let lastEnd = last.offset + Int64(last.byteCount)
        let joined = Int(max(end, lastEnd) - last.offset)
        if start - lastEnd <= gapMax, joined <= max(byteCountMax, last.byteCount) {
          units[units.count - 1].byteCount = joined
          units[units.count - 1].places = last.places.lowerBound..<place + 1
          continue
        }
      }
      units.append(
        ReadUnit(
          pack: piece.pack, offset: start, byteCount: Int(piece.sealedLength),
          places: place..<place + 1))
    }
    return units
  }
}
