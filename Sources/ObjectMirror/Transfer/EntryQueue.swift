import FileTree
import Glibc
import Platform

/// An entry of the source with its place in the listing, from 0.
struct NumberedEntry: Sendable {
  let number: Int64
  let entry: MirrorEntry
}

/// The source's entries on their way to one destination, in order.
///
/// Memory holds a bounded part. When a destination is behind and others are not, the rest waits for
/// it in a file without a name, so that the source's listing goes on. One thread sends, one
/// receives.
final class EntryQueue: @unchecked Sendable {
  struct Batch: Sendable {
    let first: Int64
    let entries: [MirrorEntry]
    let weight: Int
  }

  private enum Outcome {
    case whole
    case failed(MirrorError)
  }

  private static let headerByteCount = 12

  private let lock: Lock
  private let room: Condition
  private let readable: Condition
  private let directory: String
  private let weightMax: Int
  // Guarded by `lock`.
  private var batches: [Batch?] = []
  private var head = 0
  private var weight = 0
  private var outcome: Outcome?
  private(set) var isAbandoned = false
  private var readOffset: Int64 = 0
  private var writeOffset: Int64 = 0
  private var file: SharedDescriptor?
  // Of the thread that receives.
  private var current = Batch(first: 0, entries: [], weight: 0)
  private var place = 0

  /// `lock` and `room` are those of the ``EntryBroadcast``.
  fileprivate init(_ lock: Lock, room: Condition, directory: String, weightMax: Int) {
    self.lock = lock
    self.room = room
    self.directory = directory
    self.weightMax = weightMax
    readable = Condition(lock)
  }

  // MARK: Receiving

  /// Blocks until the next entry; nil at the end of a listing that is whole.
  /// - Throws: what has ended the listing early.
  func next() throws(MirrorError) -> NumberedEntry? {
    while place == current.entries.count {
      guard let batch = try nextBatch() else { return nil }
      (current, place) = (batch, 0)
    }
    place += 1
    return NumberedEntry(
      number: current.first + Int64(place - 1), entry: current.entries[place - 1])
  }

  private func nextBatch() throws(MirrorError) -> Batch? {
    lock.lock()
    while head == batches.count, readOffset == writeOffset, outcome == nil, !isAbandoned {
      readable.wait()
    }
    defer { lock.unlock() }
    if isAbandoned { throw .cancelled }
    if head < batches.count, let batch = batches[head] {
      batches[head] = nil
      head += 1
      if head == batches.count { (batches, head) = ([], 0) }
      weight -= batch.weight
      room.signal()
      return batch
    }
    if readOffset < writeOffset, let file { return try load(file) }
    if case .failed(let error)? = outcome { throw error }
    return nil
  }

  /// The next batch of the file. The lock is let go of meanwhile.
  private func load(_ file: SharedDescriptor) throws(MirrorError) -> Batch {
    let offset = readOffset
    lock.unlock()
    defer { lock.lock() }
    let header = try read(file, at: offset, EntryQueue.headerByteCount)
    var (first, count): (UInt64, Int) = (0, 0)
    for index in 0..<8 { first |= UInt64(header[index]) << (8 * index) }
    for index in 0..<4 { count |= Int(header[8 + index]) << (8 * index) }
    let start = offset + Int64(EntryQueue.headerByteCount)
    guard let entries = EntryRecord.entries(of: try read(file, at: start, count)) else {
      throw .local(PlatformError("pread", "", errno: EIO), path: Array(directory.utf8))
    }
    lock.withLock { readOffset = start + Int64(count) }
    return Batch(first: Int64(bitPattern: first), entries: entries, weight: 0)
  }

  private func read(
    _ file: SharedDescriptor, at offset: Int64, _ count: Int
  ) throws(MirrorError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let result = bytes.withUnsafeMutableBytes { buffer in
      Result { () throws(PlatformError) in
        try FileIO.read(file.raw, into: buffer, at: offset)
      }
    }
    switch result {
    case .success(let read) where read == count: return bytes
    case .success: throw .local(PlatformError("pread", "", errno: EIO), path: [])
    case .failure(let error): throw .local(error, path: Array(directory.utf8))
    }
  }

  /// Nobody receives any more; what is inside is dropped.
  func abandon() {
    lock.withLock {
      isAbandoned = true
      (batches, head, weight) = ([], 0, 0)
      file = nil
      readable.broadcast()
      room.broadcast()
    }
  }

  // MARK: Sending

  /// Whether another batch stays in memory. The lock is held.
  fileprivate var hasRoom: Bool {
    !isAbandoned && weight < weightMax && readOffset == writeOffset
  }

  /// The lock is held; it is let go of while a file is written.
  fileprivate func append(_ batch: Batch) {
    guard !isAbandoned, outcome == nil else { return }
    if hasRoom {
      batches.append(batch)
      weight += batch.weight
      readable.signal()
      return
    }
    do throws(PlatformError) {
      try spill(batch)
      readable.signal()
    } catch {
      // This destination alone has lost the listing.
      outcome = .failed(.local(error, path: Array(directory.utf8)))
      readable.broadcast()
    }
  }

  private func spill(_ batch: Batch) throws(PlatformError) {
    if readOffset == writeOffset { (readOffset, writeOffset) = (0, 0) }
    let offset = writeOffset
    var file = file
    lock.unlock()
    defer { lock.lock() }
    if file == nil { file = try SpoolFile.make(in: directory) }
    guard let file else { return }
    var content: [UInt8] = []
    for entry in batch.entries { EntryRecord.append(entry, to: &content) }
    var record: [UInt8] = []
    for index in 0..<8 {
      record.append(UInt8(truncatingIfNeeded: UInt64(bitPattern: batch.first) >> (8 * index)))
    }
    for index in 0..<4 { record.append(UInt8(truncatingIfNeeded: content.count >> (8 * index))) }
    record += content
    try FileIO.write(file.raw, record, at: offset)
    lock.withLock {
      guard !isAbandoned else { return }
      self.file = file
      writeOffset = offset + Int64(record.count)
    }
  }

  /// The lock is held.
  fileprivate func finish(_ failure: MirrorError?) {
    if outcome == nil { outcome = failure.map { .failed($0) } ?? .whole }
    readable.broadcast()
  }

  /// Bytes that wait in the file.
  var spooledByteCount: Int64 { lock.withLock { writeOffset - readOffset } }
}

/// One listing for several destinations. It goes as fast as the fastest of them takes it.
final class EntryBroadcast: @unchecked Sendable {
  /// Bytes of entries that wait in memory for one destination.
  private static let weightMax = 4 << 20

  private let lock = Lock()
  private let room: Condition
  let queues: [EntryQueue]
  private var nextNumber: Int64 = 0

  /// `directory` is where files are made, when they are needed.
  init(_ count: Int, directory: String, weightMax: Int = EntryBroadcast.weightMax) {
    let (lock, room) = (lock, Condition(lock))
    self.room = room
    queues = (0..<count).map { _ in
      EntryQueue(lock, room: room, directory: directory, weightMax: weightMax)
    }
  }

  /// Blocks while no destination has room; false when nobody receives any more.
  func send(_ entries: [MirrorEntry]) -> Bool {
    let weight = entries.reduce(0) { $0 + $1.weight }
    let batch = EntryQueue.Batch(first: nextNumber, entries: entries, weight: weight)
    nextNumber += Int64(entries.count)
    lock.lock()
    defer { lock.unlock() }
    while true {
      let live = queues.filter { !$0.isAbandoned }
      guard !live.isEmpty else { return false }
      if live.contains(where: \.hasRoom) {
        for queue in live { queue.append(batch) }
        return true
      }
      room.wait()
    }
  }

  /// The listing has ended, whole or not.
  func finish(_ failure: MirrorError? = nil) {
    lock.withLock { for queue in queues { queue.finish(failure) } }
  }
}
