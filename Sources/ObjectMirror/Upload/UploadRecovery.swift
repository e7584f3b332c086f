import FileTree
import Glibc
import ObjectStorage
import Platform
import Remotes

/// What becomes of uploads that nobody goes on with.
extension StoreSide {
  /// Signatures with a clock that is wrong by more are refused.
  private static let skewSecondsMax: Int64 = 900
  /// By then a request to begin an upload has been given up, with all its attempts.
  private static let beginningSecondsMax: Int64 = 3600

  /// The place of the upload of a key.
  func uploadPlace(_ key: String) -> UploadPlace {
    UploadPlace(endpoint: "\(client.endpoint)", bucket: bucket, key: key)
  }

  /// Whether a failure of a listing says that the service does not list, or not for us.
  func cannotTell(_ error: MirrorError) -> Bool {
    guard case .store(let failure) = error else { return false }
    return failure.kind == .unsupported || failure.kind == .denied
      || failure.failure?.status == 405 || failure.failure?.code == "MethodNotAllowed"
  }

  /// The unfinished uploads of exactly this key; nil when the service does not tell.
  func pendingUploads(_ key: String) throws(MirrorError) -> [S3PendingUpload]? {
    do throws(MirrorError) {
      return try calling { (client) throws(S3Error) in
        var found: [S3PendingUpload] = []
        try client.listUploads(bucket, prefix: key) { upload in
          // Bytes, not characters that look alike.
          if upload.key.utf8.elementsEqual(key.utf8) { found.append(upload) }
        }
        return found
      }
    } catch {
      if cannotTell(error) { return nil }
      // A bucket that is not there yet has none.
      if case .store(let failure) = error, failure.isNotFound { return [] }
      throw error
    }
  }

  /// Gives an upload up. A service that refuses it has said so to a person; the parts stay then.
  func abort(_ note: UploadNote, _ id: String) throws(MirrorError) {
    try calling { (client) throws(S3Error) in
      try client.abortUpload(note.place.bucket, note.place.key, upload: id)
    }
  }

  /// Gives up the uploads that a request has begun whose answer was lost: those of the note's key
  /// that were begun after the intent was noted, and are not the note's own. Where the service
  /// does not tell them, they stay.
  func abortTwins(of note: UploadNote, _ journal: UploadJournal?) {
    guard let others = note.others else { return }
    let known = Set(others)
    do throws(MirrorError) {
      let earliest = note.begun - StoreSide.skewSecondsMax
      let latest = note.begun + StoreSide.beginningSecondsMax + StoreSide.skewSecondsMax
      for upload in try pendingUploads(note.place.key) ?? [] {
        guard upload.id != note.upload, !known.contains(upload.id),
          let begun = upload.initiated?.seconds, begun >= earliest, begun <= latest
        else { continue }
        try abort(note, upload.id)
      }
    } catch {
      journal?.tell(
        "an upload of \(printable(note.place.key.utf8)) may be left behind: \(error.description)")
    }
  }
}

extension UploadJournal {
  /// Gives up the uploads below a side's prefix that runs before this one have left, and that none
  /// will take up: their source is gone, or this run has found that it need not be sent.
  ///
  /// `root` is the source of this run; `isLeftOut` tells the paths that it has not looked at.
  func sweep(
    _ store: StoreSide, root: String, begun: WallTime, isLeftOut: ([UInt8]) -> Bool
  ) {
    let endpoint = "\(store.client.endpoint)"
    let wants = { (note: UploadNote) in
      guard note.place.endpoint == endpoint, note.place.bucket == store.bucket,
        Array(note.place.key.utf8).starts(with: store.paths.prefix), note.begun <= begun.seconds
      else { return false }
      if UploadJournal.isGone(note) { return true }
      return note.root == root && !isLeftOut(note.path)
    }
    do throws(MirrorError) {
      try forEachLeft(where: wants) { (note, slot) throws(MirrorError) in
        if let id = note.upload { try store.abort(note, id) }
        if note.upload == nil || note.isDoubtful { store.abortTwins(of: note, self) }
        slot.remove()
      }
    } catch {
      // The run itself has done what it was to do.
      tell("uploads of earlier runs could not all be given up: \(error.description)")
    }
  }

  /// Whether the source of an upload is no more there.
  private static func isGone(_ note: UploadNote) -> Bool {
    var status = stat()
    let path = Array(note.root.utf8) + [0x2f] + note.path
    return path.withCString { lstat($0, &status) } != 0 && (errno == ENOENT || errno == ENOTDIR)
  }
}

extension DestinationLane {
  /// Gives up what earlier runs have left at the destination; only when all else went well, so that
  /// every file that takes part has been looked at.
  func sweepUploads() {
    guard let journal = options.uploads, !options.isDryRun, statistics.now.errorCount == 0,
      case .local(let local) = source, case .store(let store) = destination
    else { return }
    let filter = options.filter
    journal.sweep(store, root: local.path, begun: begun) { path in
      guard let filter else { return false }
      // Sizes and ages are those of files, which may come to take part again.
      if filter.hasAges || filter.hasSizes || filter.hasMarkers { return true }
      return !path.withUnsafeBufferPointer { filter.includes(filePath: $0) }
    }
  }
}
