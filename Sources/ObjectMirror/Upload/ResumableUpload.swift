import Cryptography
import HTTPClient
import ObjectStorage
import Platform
import Remotes

/// One file on its way to a store in parts. What an earlier run, or an earlier attempt of this one,
/// has stored is taken over when it still is a part of the file.
///
/// The order is what makes it safe: the intent is noted before the upload is begun, its name before
/// the first part goes out, and the note goes when the object stands or the upload was given up.
struct ResumableUpload {
  /// What begins an upload anew when the one at the service turns out to be gone.
  private static let attemptsMax = 2

  let store: StoreSide
  let key: String
  let file: ContentReader
  let identity: FileIdentity
  /// For the note: where `file.path` stands.
  let root: String
  /// Of the object, without the MD5 of the whole.
  let attributes: S3Attributes
  let journal: UploadJournal?
  /// Parts under way at once.
  let concurrency: Int

  /// Sends the file; gives what the store has told of the object, or nil when it stood already.
  /// - Throws: what a transfer throws. Parts stay with the service, and the note with us, when
  ///   another attempt may do better.
  func send() throws(MirrorError) -> S3Stored? {
    let transfer = store.options.transfer
    guard let plan = S3PartPlan(sizeBytes: file.sizeBytes, wanted: transfer.partSizeBytes) else {
      throw .usage("\(printable(file.path)): \(file.sizeBytes) bytes are more than one object has")
    }
    guard let slot = try claim() else {
      return try sendAtOnce(plan)
    }
    for attempt in 1...ResumableUpload.attemptsMax {
      switch try run(plan, slot, isLast: attempt == ResumableUpload.attemptsMax) {
      case .stored(let stored): return stored
      case .standing: return nil
      case .again: continue
      }
    }
    return nil
  }

  private func claim() throws(MirrorError) -> UploadJournal.Slot? {
    guard let journal else { return nil }
    let slot: UploadJournal.Slot?
    do throws(MirrorError) {
      slot = try journal.claim(store.uploadPlace(key))
    } catch {
      journal.tell("uploads cannot be noted, so they will not be resumed: \(error.description)")
      return nil
    }
    if slot == nil {
      journal.tell("\(printable(file.path)): another process is uploading to the same object")
    }
    return slot
  }

  /// Without a note: all of it, or nothing.
  private func sendAtOnce(_ plan: S3PartPlan) throws(MirrorError) -> S3Stored {
    let transfer = store.options.transfer
    let attributes = try complete(attributes, md5: wholeMD5(plan))
    let stored = try store.calling { (client) throws(S3Error) in
      try S3Upload.store(
        client, store.bucket, key, ObjectBody(file), attributes,
        partSizeBytes: transfer.partSizeBytes, partMD5s: partMD5s(plan), concurrency: concurrency)
    }
    try file.checkUnchanged()
    return stored
  }

  // MARK: With a note

  private enum End {
    case stored(S3Stored)
    /// The object stood already.
    case standing
    /// The upload was gone, and all has to be begun anew.
    case again
  }

  private func run(
    _ plan: S3PartPlan, _ slot: UploadJournal.Slot, isLast: Bool
  ) throws(MirrorError) -> End {
    var note: UploadNote
    var held: [S3Part] = []
    switch try takeUp(plan, slot) {
    case .done:
      slot.remove()
      return .standing
    case .parts(let earlier, let parts): (note, held) = (earlier, parts)
    case .nothing(let doubt): note = try begin(plan, slot, doubt)
    }
    guard let id = note.upload else { preconditionFailure("an upload that was begun has a name") }
    let stored: S3Stored
    do throws(MirrorError) {
      stored = try finish(plan, id, held)
    } catch {
      if isGone(error) {
        if try isStored(note) {
          slot.remove()
          return .standing
        }
        slot.remove()
        if isLast { throw error }
        return .again
      }
      if !mayBeResumed(error) { giveUp(note, slot) }
      throw error
    }
    if note.isDoubtful { store.abortTwins(of: note, journal) }
    slot.remove()
    return .stored(stored)
  }

  private enum Beginning {
    /// The object stands already.
    case done
    case parts(UploadNote, [S3Part])
    /// Nothing to go on with; the note of an upload whose name nobody knows.
    case nothing(UploadNote?)
  }

  /// Looks at what an earlier attempt has left.
  private func takeUp(
    _ plan: S3PartPlan, _ slot: UploadJournal.Slot
  ) throws(MirrorError) -> Beginning {
    guard let note = slot.read() else { return .nothing(nil) }
    guard let id = note.upload else {
      store.abortTwins(of: note, journal)
      return .nothing(note)
    }
    let doubt = note.isDoubtful ? note : nil
    guard try fits(note, plan) else {
      try store.abort(note, id)
      return .nothing(doubt)
    }
    let listed: [S3Part]
    do throws(MirrorError) {
      listed = try store.calling { (client) throws(S3Error) in
        try client.listParts(store.bucket, key, upload: id)
      }
    } catch {
      if isGone(error) { return try isStored(note) ? .done : .nothing(doubt) }
      guard store.cannotTell(error) else { throw error }
      try store.abort(note, id)
      return .nothing(doubt)
    }
    return .parts(note, try proven(listed, plan))
  }

  /// Whether a note is about this file as it is now, cut and described as now.
  private func fits(_ note: UploadNote, _ plan: S3PartPlan) throws(MirrorError) -> Bool {
    let whole = store.options.transfer.storesWholeMD5
    guard note.source == identity, note.partSizeBytes == plan.partSizeBytes,
      (note.md5 != nil) == whole
    else { return false }
    return try note.attributes == digest(of: complete(attributes, md5: note.md5))
  }

  /// The parts that are ranges of the file, by their size and by their MD5.
  private func proven(_ parts: [S3Part], _ plan: S3PartPlan) throws(MirrorError) -> [S3Part] {
    guard !parts.isEmpty else { return [] }
    if store.client.options.isCancelled() { throw .cancelled }
    let own = try file.digestsInAdvance(partSizeBytes: plan.partSizeBytes).partMD5s
    var proven: [S3Part] = []
    for part in parts where (1...plan.partCount).contains(part.number) {
      let range = plan.range(part.number, of: file.sizeBytes)
      guard Int64(range.count) == part.sizeBytes, let told = ETag.md5(part.etag) else { continue }
      if part.number <= own.count, own[part.number - 1] == told { proven.append(part) }
    }
    try file.checkUnchanged()
    return proven
  }

  /// Begins an upload; both the intent and its name are noted. `doubt` is an earlier intent whose
  /// upload may still come to light.
  private func begin(
    _ plan: S3PartPlan, _ slot: UploadJournal.Slot, _ doubt: UploadNote?
  ) throws(MirrorError) -> UploadNote {
    let md5 = try wholeMD5(plan)
    let attributes = try complete(attributes, md5: md5)
    var note = UploadNote(
      place: slot.place, root: root, path: file.path, source: identity,
      partSizeBytes: plan.partSizeBytes, attributes: try digest(of: attributes), md5: md5,
      begun: doubt?.begun ?? store.client.now().seconds, others: nil)
    note.isDoubtful = doubt != nil
    note.others = doubt == nil ? try store.pendingUploads(key)?.map(\.id) : doubt?.others
    if let count = note.others?.count, count > UploadNote.othersCountMax { note.others = nil }
    try slot.write(note)
    let begun = try store.calling { (client) throws(S3Error) in
      try client.beginUpload(store.bucket, key, attributes)
    }
    note.upload = begun.id
    note.isDoubtful = note.isDoubtful || begun.isDoubtful
    try slot.write(note)
    return note
  }

  private func finish(
    _ plan: S3PartPlan, _ id: String, _ held: [S3Part]
  ) throws(MirrorError) -> S3Stored {
    let upload = S3Upload(
      store.client, store.bucket, key, ObjectBody(file), plan, upload: id, held: held,
      partMD5s: partMD5s(plan), concurrency: concurrency)
    let parts = try store.calling { (_) throws(S3Error) in try upload.sendParts() }
    try file.checkUnchanged()
    return try store.calling { (client) throws(S3Error) in
      try client.completeUpload(store.bucket, key, upload: id, parts)
    }
  }

  // MARK: Failures

  private func isGone(_ error: MirrorError) -> Bool {
    guard case .store(let failure) = error else { return false }
    return failure.failure?.code == "NoSuchUpload"
      || failure.isNotFound && failure.failure?.code != "NoSuchBucket"
  }

  /// Whether what the service holds may be of use to another attempt.
  private func mayBeResumed(_ error: MirrorError) -> Bool {
    if store.options.transfer.leavesPartsOnError { return true }
    // A file that has become another one needs none of its parts, whatever shows it first.
    do throws(MirrorError) { try file.checkUnchanged() } catch { return false }
    switch error {
    case .changed: return false
    case .store(let failure):
      switch failure.kind {
      case .unreachable, .cancelled, .corrupt: return true
      default:
        // A local failure of reading is one that may pass.
        if case .content = failure { return true }
        return false
      }
    default: return true
    }
  }

  /// What counts is why the upload failed; where this fails, the note stays for a later run.
  private func giveUp(_ note: UploadNote, _ slot: UploadJournal.Slot) {
    guard let id = note.upload else { return }
    do throws(MirrorError) {
      try store.abort(note, id)
    } catch {
      return
    }
    slot.remove()
  }

  /// Whether the object is what the upload would have made: its answer was lost, or nobody was
  /// there to read it.
  private func isStored(_ note: UploadNote) throws(MirrorError) -> Bool {
    let head: S3ObjectHead
    do throws(MirrorError) {
      head = try store.calling { (client) throws(S3Error) in
        try client.headObject(store.bucket, key)
      }
    } catch {
      if case .store(let failure) = error, failure.isNotFound { return false }
      throw error
    }
    guard head.sizeBytes == note.source.sizeBytes,
      head.attributes.metadata.first(where: { $0.name == "mtime" })?.value
        == attributes.metadata.first(where: { $0.name == "mtime" })?.value
    else { return false }
    if let md5 = note.md5 { return store.facts(head).md5 == md5 }
    let digests = try file.digestsInAdvance(partSizeBytes: note.partSizeBytes)
    return digests.multipartETag == head.etag
  }

  // MARK: Attributes

  /// Nil where the object does not have it. The sums of the parts are made in the same read.
  private func wholeMD5(_ plan: S3PartPlan) throws(MirrorError) -> [UInt8]? {
    guard store.options.transfer.storesWholeMD5 else { return nil }
    let md5 = try file.digestsInAdvance(partSizeBytes: plan.partSizeBytes).md5
    try file.checkUnchanged()
    return md5
  }

  /// Of the read that has made that of the whole; empty where there was none.
  private func partMD5s(_ plan: S3PartPlan) -> [[UInt8]] {
    file.knownDigests(partSizeBytes: plan.partSizeBytes)?.partMD5s ?? []
  }

  private func complete(_ attributes: S3Attributes, md5: [UInt8]?) throws(MirrorError)
    -> S3Attributes
  {
    var attributes = attributes
    if let md5 { attributes.metadata.append(("md5chksum", Base64.text(of: md5))) }
    return attributes
  }

  /// Of all that the object gets but the time of the last access, which reading moves.
  private func digest(of attributes: S3Attributes) throws(MirrorError) -> String {
    let fields = attributes.fields.filter { $0.name != "x-amz-meta-atime" }
    let text = fields.map { "\($0.name)=\($0.value.utf8.count):\($0.value)\n" }.joined()
    do throws(CryptographyError) {
      return hex(try MessageDigest.of(Array(text.utf8), .sha256))
    } catch {
      throw .store(.cryptography(error))
    }
  }
}
