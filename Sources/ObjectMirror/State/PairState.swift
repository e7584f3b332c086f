import Cryptography
import Glibc
import ObjectStorage
import Platform
import Remotes

/// What one destination of a run knows of the run before, and what it keeps for the next one, so
/// that an unchanged pair of file and object costs no request.
///
/// Only for pairs of a directory and a store: the one tells all of a file when it is listed, the
/// other all but the file's time.
final class PairState: Sendable {
  typealias Place = PairStateWriter.Place

  /// A file that was written in the moment in which it was read may be written again without
  /// another time.
  private static let settledNanoseconds: Int64 = 20_000_000

  /// Records between two marks. A few objects more still fit the page of 1000 that a store gives.
  private static let markSpacing = 960

  let isUpload: Bool
  /// Keys between which the store's listing may be divided, below the prefix.
  let marks: [[UInt8]]
  private let comparison: ComparisonOptions
  private let reader: Confined
  private let writer: PairStateWriter?

  /// Of the thread that compares.
  private final class Confined: @unchecked Sendable {
    let reader: PairStateReader?
    init(_ reader: PairStateReader?) { self.reader = reader }
  }

  /// Nil where nothing can be known, or nothing is to be kept.
  init?(from source: MirrorSide, to destination: MirrorSide, _ options: MirrorOptions) {
    guard let directory = options.stateDirectory, !options.usesServerTimes,
      !options.comparison.ignoresTimes, !source.isSingleFile,
      let identity = PairState.identity(source, destination, isPart: options.filter != nil)
    else { return nil }
    let path = "\(directory)/\(hex(identity.prefix(16)))"
    if case .local = source { isUpload = true } else { isUpload = false }
    comparison = options.comparison
    reader = Confined(PairStateReader.open(path: path, identity: identity))
    marks = reader.reader?.marks(spacing: PairState.markSpacing) ?? []
    if options.isDryRun {
      writer = nil
    } else {
      writer = PairStateWriter(path: path, identity: identity)
    }
  }

  /// What both sides are called; nil for pairs that are not served. Runs with a filter keep a file
  /// of their own, as they see a part.
  private static func identity(
    _ source: MirrorSide, _ destination: MirrorSide, isPart: Bool
  ) -> [UInt8]? {
    let (local, store, way): (LocalSide, StoreSide, String)
    switch (source, destination) {
    case (.local(let from), .store(let to)): (local, store, way) = (from, to, "up")
    case (.store(let from), .local(let to)): (local, store, way) = (to, from, "down")
    default: return nil
    }
    guard let root = local.rootIdentity else { return nil }
    let text = [
      way, isPart ? "part" : "all", local.path, root, "\(store.client.endpoint)", store.bucket,
    ]
    let bytes = Array(text.joined(separator: "\0").utf8) + [0] + store.paths.prefix
    // Without SHA-256 there would have been no request.
    return try? SHA256.digest(bytes)
  }

  // MARK: Reading

  /// What is known of a pair that has not changed since. The thread that compares calls, in the
  /// order of the listings.
  func known(_ source: MirrorEntry, _ destination: MirrorEntry) -> PairRecord? {
    guard let record = reader.reader?.record(of: source.key) else { return nil }
    let (file, object) = isUpload ? (source, destination) : (destination, source)
    guard record.matches(file: file, object: object) else { return nil }
    let needed: PairRecord.Likeness =
      comparison.checksum ? .contents : comparison.sizeOnly ? [] : .times
    guard record.likeness.isSuperset(of: needed) else { return nil }
    return PairState.record(source.key, file, object, record.likeness)
  }

  // MARK: Writing

  /// The place of the next pair.
  func place() -> Place? { writer?.place() }

  func settle(_ place: Place?, _ record: PairRecord?) {
    if let place { writer?.settle(place, record) }
  }

  /// A pair that was compared and not changed.
  func compared(
    _ place: Place?, _ source: MirrorEntry, _ destination: MirrorEntry,
    _ reason: TransferDecision.Reason
  ) {
    let (file, object) = isUpload ? (source, destination) : (destination, source)
    let likeness: PairRecord.Likeness? =
      switch reason {
      case .timesAreEqual where (comparison.modifyWindowNanoseconds ?? .max) <= 1: .times
      case .contentsAreEqual: .contents
      default: nil
      }
    settle(place, likeness.flatMap { PairState.record(source.key, file, object, $0) })
  }

  /// A pair that was made alike by a copy.
  func copied(_ place: Place?, _ source: MirrorEntry, _ pair: CopiedPair?) {
    guard let pair, let age = pair.file.modified.nanoseconds(until: .now()),
      !isUpload || age >= PairState.settledNanoseconds
    else { return settle(place, nil) }
    settle(
      place,
      PairRecord(
        key: source.key, file: pair.file, object: pair.object, likeness: [.times, .contents]))
  }

  /// Nil for an object without a time.
  private static func record(
    _ key: [UInt8], _ file: MirrorEntry, _ object: MirrorEntry, _ likeness: PairRecord.Likeness
  ) -> PairRecord? {
    guard let identity = file.file, let stored = object.modified?.seconds else { return nil }
    return PairRecord(
      key: key, file: identity,
      object: ObjectIdentity(
        etag: object.etag, sizeBytes: object.sizeBytes, storedSeconds: stored...stored),
      likeness: likeness)
  }

  /// Ends the file. What cannot be kept costs the next run its requests, and nothing else.
  func finish() { try? writer?.finish() }
}

/// File and object after a copy.
struct CopiedPair: Sendable {
  var file: FileIdentity
  var object: ObjectIdentity
}

extension ObjectIdentity {
  /// An object that has just been stored, in `elapsedSeconds`; nil when the store has not told
  /// enough of it.
  init?(_ stored: S3Stored, sizeBytes: Int64, elapsedSeconds: Double) {
    guard let answered = stored.answered, !stored.etag.isEmpty else { return nil }
    // The store's clock is read to the second; parts count from their first one.
    let (before, behind) = (Int64(elapsedSeconds.rounded(.up)) + 2, Int64(2))
    self.init(
      etag: stored.etag, sizeBytes: sizeBytes,
      storedSeconds: (answered.seconds - before)...(answered.seconds + behind))
  }
}

extension FileIdentity {
  init(_ status: stat) {
    self.init(
      device: UInt64(status.st_dev), inode: UInt64(status.st_ino), sizeBytes: Int64(status.st_size),
      modified: WallTime(status.st_mtim), changed: WallTime(status.st_ctim))
  }
}

extension WallTime {
  init(_ time: timespec) {
    self.init(seconds: Int64(time.tv_sec), nanoseconds: Int32(time.tv_nsec))
  }

  /// Nil when it is later, or further away than numbers reach.
  fileprivate func nanoseconds(until other: WallTime) -> Int64? {
    let (seconds, isOver) = other.seconds.subtractingReportingOverflow(seconds)
    let (scaled, isFar) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    guard !isOver, !isFar else { return other.seconds > self.seconds ? .max : nil }
    let (sum, isBeyond) = scaled.addingReportingOverflow(
      Int64(other.nanoseconds) - Int64(nanoseconds))
    return isBeyond || sum < 0 ? nil : sum
  }
}
