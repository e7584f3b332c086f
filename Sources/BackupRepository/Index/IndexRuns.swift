import CJSON
import Glibc
import Platform

/// What was parsed, parted by section and first byte of the identifier, in a scratch file.
struct IndexRun {
  static let bucketCount = 4 * 256

  let fileOffset: Int64
  /// Where each bucket starts, in entries; one more for the end.
  let starts: [UInt32]

  static func bucket(_ section: Int, _ word: UInt64) -> Int { section << 8 | Int(word >> 56) }
}

/// The scratch file of runs, and the tables of packs and index files they refer to. Shared by the
/// threads that parse.
///
/// Memory does not grow with the blobs, only with packs (40 bytes each) and index files.
final class IndexSpool: @unchecked Sendable {
  let descriptor: SharedDescriptor
  private let lock = Lock()
  private var end: Int64 = 0
  private(set) var runs: [IndexRun] = []
  private(set) var packs: [RowRecord] = []
  private(set) var files: [RowRecord] = []
  private(set) var entryCount = 0

  /// Makes the unnamed file, which takes 48 bytes a blob, in `directory`.
  /// - Throws: `IndexError.cache`.
  init(directory: String) throws(IndexError) {
    descriptor = try openUnnamedFile(directory)
  }

  /// Adds tables; gives where they begin. Packs name index files by their number in `files`.
  func reserve(
    packs newPacks: [RowRecord], files newFiles: [RowRecord], entryCount newEntryCount: Int
  ) throws(IndexError) -> (firstPack: Int, fileOffset: Int64) {
    lock.lock()
    defer { lock.unlock() }
    guard packs.count + newPacks.count <= EntryRecord.rowCountMax else {
      throw .tooLarge(what: "packs", limit: EntryRecord.rowCountMax)
    }
    guard entryCount + newEntryCount <= SegmentHeader.entryCountMax else {
      throw .tooLarge(what: "blobs", limit: SegmentHeader.entryCountMax)
    }
    guard files.count + newFiles.count <= SegmentHeader.fileCountMax else {
      throw .tooLarge(what: "files", limit: SegmentHeader.fileCountMax)
    }
    let firstPack = packs.count
    let firstFile = UInt32(files.count)
    packs.reserveCapacity(packs.count + newPacks.count)
    for var pack in newPacks {
      pack.index_file += firstFile
      packs.append(pack)
    }
    files += newFiles
    entryCount += newEntryCount
    let offset = end
    end += Int64(newEntryCount * MemoryLayout<EntryRecord>.stride)
    return (firstPack, offset)
  }

  func add(_ run: IndexRun) { lock.withLock { runs.append(run) } }

  /// Reads entries of a run to the end of `target`.
  func read(
    _ run: IndexRun, _ buckets: Range<Int>, into target: UnsafeMutableBufferPointer<EntryRecord>
  ) throws(IndexError) {
    let stride = MemoryLayout<EntryRecord>.stride
    let offset = run.fileOffset + Int64(Int(run.starts[buckets.lowerBound]) * stride)
    let bytes = UnsafeMutableRawBufferPointer(target)
    do throws(PlatformError) {
      let count = try FileIO.read(descriptor.raw, into: bytes, at: offset)
      guard count == bytes.count else { throw PlatformError("pread", "scratch file", errno: EIO) }
    } catch {
      throw .cache(error)
    }
  }
}

/// A file without a name, which goes with its last descriptor.
func openUnnamedFile(_ directory: String) throws(IndexError) -> SharedDescriptor {
  let flags = O_DIRECTORY | O_RDONLY | O_CLOEXEC
  let parent = retryingOnInterrupt { open(directory, flags) }
  guard parent >= 0 else { throw .cache(.last("open", directory)) }
  let owner = Descriptor(owning: parent)
  let raw = FileSystem.openUnnamed(in: owner.raw, mode: 0o600)
  guard raw >= 0 else { throw .cache(.last("open", directory)) }
  return SharedDescriptor(owning: raw)
}

/// Gathers what one thread parses and spools it in runs of a good size. One thread.
final class IndexRunWriter {
  /// Entries after which a run is spooled: 3 MB, so that slices of it are read in one piece, and
  /// many small index files share one.
  static let entryCountTarget = 1 << 16

  private let spool: IndexSpool
  private var entries: [EntryRecord] = []
  private var parted: [EntryRecord] = []
  private var packs: [RowRecord] = []
  private var files: [RowRecord] = []

  init(_ spool: IndexSpool) { self.spool = spool }

  func add(_ parsed: ParsedIndex, of id: IndexID) throws(IndexError) {
    let file = UInt32(files.count)
    files.append(
      RowRecord(id: id.words, index_file: 0, entry_count: UInt32(parsed.entries.count)))
    let firstPack = UInt32(packs.count)
    for pack in parsed.packs {
      let mark: UInt32 = pack.is_marked != 0 ? 1 << 31 : 0
      packs.append(
        RowRecord(id: pack.id, index_file: file, entry_count: pack.entry_count | mark))
    }
    guard packs.count < EntryRecord.rowCountMax else {
      throw .tooLarge(what: "packs", limit: EntryRecord.rowCountMax)
    }
    let first = entries.count
    entries.append(contentsOf: parsed.entries)
    if firstPack > 0 {
      entries.withUnsafeMutableBufferPointer { entries in
        for index in first..<entries.count { entries[index].pack += firstPack }
      }
    }
    if entries.count >= IndexRunWriter.entryCountTarget { try flush() }
  }

  /// Spools what is left.
  func flush() throws(IndexError) {
    guard !files.isEmpty else { return }
    let place = try spool.reserve(packs: packs, files: files, entryCount: entries.count)
    if !entries.isEmpty {
      let starts = part(firstPack: UInt32(place.firstPack))
      let failure = parted.withUnsafeBytes { bytes -> PlatformError? in
        do throws(PlatformError) {
          try FileIO.write(spool.descriptor.raw, bytes, at: place.fileOffset)
          return nil
        } catch {
          return error
        }
      }
      if let failure { throw .cache(failure) }
      spool.add(IndexRun(fileOffset: place.fileOffset, starts: starts))
    }
    entries.removeAll(keepingCapacity: true)
    packs.removeAll(keepingCapacity: true)
    files.removeAll(keepingCapacity: true)
  }

  /// Puts the entries in order of their buckets, with their packs' rows in the whole table.
  private func part(firstPack: UInt32) -> [UInt32] {
    var starts = [UInt32](repeating: 0, count: IndexRun.bucketCount + 1)
    parted.removeAll(keepingCapacity: true)
    parted.append(contentsOf: entries)
    starts.withUnsafeMutableBufferPointer { starts in
      for entry in entries {
        starts[IndexRun.bucket(entry.sectionNumber, entry.id.0) + 1] += 1
      }
      for bucket in 1...IndexRun.bucketCount { starts[bucket] += starts[bucket - 1] }
    }
    var next = starts
    next.withUnsafeMutableBufferPointer { next in
      parted.withUnsafeMutableBufferPointer { parted in
        for var entry in entries {
          let bucket = IndexRun.bucket(entry.sectionNumber, entry.id.0)
          entry.pack = (entry.pack & EntryRecord.rowMask) + firstPack
          parted[Int(next[bucket])] = entry
          next[bucket] += 1
        }
      }
    }
    return starts
  }
}
