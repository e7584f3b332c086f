import FileTree
import Pipelines
import Platform

/// The sender's control thread: walks the source, announces each directory by its digest, and
/// serves the listings that the receiver asks for. It alone writes to the control lane.
final class SourceWalk {
  private let walk: TreeWalk
  private let table: DirectoryTable
  private let builder: RecordBuilder
  private let state: SenderState
  private let timer: StageTimer
  private let sourceGuard: SourceGuard?
  private var digester: DirectoryDigester
  private var treeDigester: TreeDigester
  private var previousPath: [UInt8] = []
  private var announcedSinceFlush = 0
  /// Directories after which a record goes out even when it is not full, so that both ends walk at
  /// once.
  private static let flushInterval = 64

  init(
    root: TreeRoot, rootListing: DirectoryListing, options: WalkOptions, table: DirectoryTable,
    builder: RecordBuilder, state: SenderState, sourceGuard: SourceGuard?, timer: StageTimer
  ) throws {
    self.timer = timer
    self.sourceGuard = sourceGuard
    self.table = table
    self.builder = builder
    self.state = state
    walk = TreeWalk(root: root, options: options) { error in state.walkProblem(error) }
    digester = try DirectoryDigester()
    treeDigester = try TreeDigester()
    digester.update(rootListing.entries[0], in: rootListing)
    treeDigester.add(path: [], digest: digester.finish())
  }

  func run() throws {
    while true {
      let step = try table.nextStep(timer: timer) { try self.flush() }
      switch step {
      case .list(let number, let listing): try send(listing, number)
      case .walk: try walkOne()
      case .done, nil:
        try flush()
        return
      }
    }
  }

  private func flush() throws {
    announcedSinceFlush = 0
    try builder.flush()
  }

  private func walkOne() throws {
    guard let listing = try builder.activity.busy({ () throws(TreeError) in try walk.next() })
    else { return try completeWalk() }
    let digest = digester.digest(listing)
    treeDigester.add(path: listing.path, digest: digest)
    state.count(listing)
    try announce(listing, digest)
    _ = table.announce(listing)
    announcedSinceFlush += 1
    if announcedSinceFlush == SourceWalk.flushInterval { try flush() }
  }

  /// Body: flags u8 (1 incomplete) · shared prefix u16 · rest u16 · rest of the path · 16 bytes of
  /// digest.
  private func announce(_ listing: DirectoryListing, _ digest: [UInt8]) throws {
    let path = listing.path
    var shared = 0
    while shared < path.count, shared < previousPath.count, path[shared] == previousPath[shared] {
      shared += 1
    }
    let rest = path.count - shared
    try builder.append(.directories, size: 5 + rest + DirectoryDigester.size) { writer in
      writer.put(UInt8(listing.isIncomplete ? 1 : 0))
      writer.put(UInt16(shared))
      writer.put(UInt16(rest))
      path[shared...].withUnsafeBytes { writer.put($0) }
      digest.withUnsafeBytes { writer.put($0) }
    }
    previousPath = path
  }

  /// Body: directory u32 · flags u8 (1 last part) · canonical entries.
  private func send(_ listing: DirectoryListing, _ number: UInt32) throws {
    var index = 0
    let entries = listing.entries
    repeat {
      let room = try builder.roomLeft(atLeast: 5 + 1024)
      var size = 5
      var end = index
      while end < entries.count {
        let next = entries[end].isLeftover ? 0 : EntryCodec.encodedSize(entries[end])
        if size + next > room { break }
        size += next
        end += 1
      }
      if end == index, end < entries.count {
        try builder.flush()  // an entry larger than what was left
        continue
      }
      let start = index
      try builder.append(.list, size: size) { writer in
        writer.put(number)
        writer.put(UInt8(end == entries.count ? 1 : 0))
        writer.put(size: size - 5) { base in
          var offset = 0
          for entry in entries[start..<end] where !entry.isLeftover {
            offset += EntryCodec.encode(entry, in: listing, into: base + offset)
          }
        }
      }
      index = end
    } while index < entries.count
  }

  /// Body: directories u32 · entries u64 · files u64 · bytes u64 · flags u8 (1 errors) · tree
  /// digest 32.
  private func completeWalk() throws {
    let digest = treeDigester.finish()
    let totals = state.completeWalk(digest: digest)
    // The receiver deletes nothing before it has heard of the end of the walk.
    let found = SourceTotals(fileCount: Int64(totals.fileCount), sizeBytes: Int64(totals.sizeBytes))
    if let loss = sourceGuard?.loss(in: found) { throw ReplicationError.shrunkenSource(loss) }
    try builder.append(.walkEnd, size: 4 + 24 + 1 + 32) { writer in
      writer.put(UInt32(totals.directoryCount))
      writer.put(UInt64(totals.entryCount))
      writer.put(UInt64(totals.fileCount))
      writer.put(UInt64(totals.sizeBytes))
      writer.put(UInt8(totals.hadErrors ? 1 : 0))
      digest.withUnsafeBytes { writer.put($0) }
    }
    table.completeWalk()
  }
}
