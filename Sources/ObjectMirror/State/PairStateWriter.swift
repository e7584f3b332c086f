import Cryptography
import FileTree
import Glibc
package import Platform

/// Writes the pairs that a run has found or made alike, for the next run to read.
///
/// Pairs get their places in the order of the listing and are settled in any order, by any thread.
/// The file holds them in the order of their places. What is not settled while a bounded number of
/// others waits for it goes to the end of the file instead, and when there is no room there, it is
/// left out: that costs the next run a request, no more. The file gets its name when it is whole.
package final class PairStateWriter: @unchecked Sendable {
  /// Places that wait for one that is not settled.
  private static let waitingCountMax = 1 << 16
  static let lateCountMax = 4096

  private let path: String
  private let identity: [UInt8]
  private let lock = Lock()
  // Guarded by `lock`.
  private var file: PairStateFile?
  /// Of the place `first` and those behind it; nil is one that is not settled.
  private var waiting: [Settlement?] = []
  private var start = 0
  private var first = 0
  private var late: [PairRecord] = []
  private var failure: PlatformError?

  private enum Settlement {
    case nothing
    case pair(PairRecord)
  }

  /// Where a pair will stand.
  package struct Place: Sendable { fileprivate let number: Int }

  /// `identity` is of both sides: 32 bytes. The file is made when the first records are written.
  package init(path: String, identity: [UInt8]) {
    self.path = path
    self.identity = identity
  }

  /// The next place. One thread calls, in the order of the listing.
  package func place() -> Place {
    lock.withLock {
      let number = first + waiting.count - start
      waiting.append(nil)
      if waiting.count - start > PairStateWriter.waitingCountMax { pass() }
      return Place(number: number)
    }
  }

  /// Says what has become of a place: a pair that is alike, or nothing that could be used.
  package func settle(_ place: Place, _ record: PairRecord?) {
    lock.withLock {
      guard place.number >= first else {
        if let record, late.count < PairStateWriter.lateCountMax { late.append(record) }
        return
      }
      waiting[start + place.number - first] = record.map { .pair($0) } ?? .nothing
      while start < waiting.count, waiting[start] != nil { pass() }
    }
  }

  /// Writes out the first of those that wait.
  private func pass() {
    if case .pair(let record) = waiting[start] {
      write { (file) throws(PlatformError) in try file.append(record) }
    }
    start += 1
    first += 1
    // Moved together seldom enough to cost nothing, often enough to stay small.
    guard start >= 4096, start * 2 >= waiting.count else { return }
    waiting.removeFirst(start)
    start = 0
  }

  private func write(_ body: (PairStateFile) throws(PlatformError) -> Void) {
    guard failure == nil else { return }
    do throws(PlatformError) {
      if file == nil { file = try PairStateFile(path: path, identity: identity) }
      if let file { try body(file) }
    } catch {
      failure = error
    }
  }

  /// Ends the file and gives it its name, also without a record: it says that all is unknown.
  /// - Throws: what went wrong first; the old file stays then.
  package func finish() throws(PlatformError) {
    try lock.withLock { () throws(PlatformError) in
      while start < waiting.count { pass() }
      let late = late.sorted { $0.key.precedes($1.key) }
      write { (file) throws(PlatformError) in try file.finish(late) }
      if let failure { throw failure }
    }
  }
}

/// The file beneath, with a temporary name until its end. Layout, numbers little-endian:
///
/// ```
/// "DROVPAIR" | u32 version = 1 | u32 CRC-32C of the identity | 32 bytes: identity
/// block …: u32 byte count | u32 CRC-32C | records; those in order, then those that came late
/// end: u64 offset of the first late block | u64 0 | "DROVPEND"
/// ```
final class PairStateFile {
  static let magic = Array("DROVPAIR".utf8)
  static let endMagic = Array("DROVPEND".utf8)
  static let version: UInt32 = 1
  static let headerByteCount = 48
  static let footerByteCount = 24
  /// Records are gathered up to here.
  static let blockByteCount = 64 << 10
  /// A block holds at least one record more.
  static let blockByteCountMax = blockByteCount + PairCoding.byteCountMax

  private let path: String
  private let temporary: String
  private let descriptor: Descriptor
  private var offset: Int64 = 0
  private var block: [UInt8] = []

  init(path: String, identity: [UInt8]) throws(PlatformError) {
    precondition(identity.count == 32, "an identity has 32 bytes")
    let temporary = "\(path).\(getpid()).new"
    let raw = retryingOnInterrupt {
      open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    }
    guard raw >= 0 else { throw .last("open", temporary) }
    descriptor = Descriptor(owning: raw)
    (self.path, self.temporary) = (path, temporary)
    block.reserveCapacity(PairStateFile.blockByteCountMax)
    var header = PairStateFile.magic
    put(PairStateFile.version, &header)
    put(checksum(identity), &header)
    header += identity
    try write(header)
  }

  deinit {
    // Gone already when it was finished.
    unlink(temporary)
  }

  func append(_ record: PairRecord) throws(PlatformError) {
    guard PairCoding.append(record, to: &block) else { return }
    if block.count >= PairStateFile.blockByteCount { try flush() }
  }

  func finish(_ late: [PairRecord]) throws(PlatformError) {
    try flush()
    let lateOffset = offset
    for record in late { try append(record) }
    try flush()
    var footer: [UInt8] = []
    put(UInt64(lateOffset), &footer)
    put(UInt64(0), &footer)
    footer += PairStateFile.endMagic
    try write(footer)
    try FileIO.synchronizeData(descriptor.raw)
    guard rename(temporary, path) == 0 else { throw .last("rename", path) }
  }

  private func flush() throws(PlatformError) {
    guard !block.isEmpty else { return }
    var head: [UInt8] = []
    put(UInt32(block.count), &head)
    put(checksum(block), &head)
    try write(head)
    try write(block)
    block.removeAll(keepingCapacity: true)
  }

  private func write(_ bytes: [UInt8]) throws(PlatformError) {
    try FileIO.write(descriptor.raw, bytes, at: offset)
    offset += Int64(bytes.count)
  }

  private func checksum(_ bytes: [UInt8]) -> UInt32 {
    bytes.withUnsafeBytes { PairStateFile.checksum($0) }
  }

  static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    var check = CRC32(.castagnoli)
    check.update(bytes)
    return check.value
  }

  private func put<Value: FixedWidthInteger>(_ value: Value, _ bytes: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
  }
}
