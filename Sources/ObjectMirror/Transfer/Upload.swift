import HTTPClient
import ObjectStorage
import Platform
import Remotes

/// One file on its way into a store.
///
/// | Content | Reads | Proof |
/// |---|---|---|
/// | in memory | one | its MD5 goes with it |
/// | larger, MD5 told by the source's store | one | that MD5 goes with it |
/// | larger, ETags of the store are MD5s | one | the ETag is that of what was read |
/// | larger, other stores | two | the MD5 of the first read goes with the second |
/// | in parts, with the MD5 of the whole as metadata | two | each part's MD5 goes with it |
/// | in parts, without | one | each part's MD5 goes with it |
struct Upload {
  /// Attempts of an object whose ETag is not what was sent.
  private static let attemptsMax = 3

  let store: StoreSide
  let key: String
  let reader: ContentReader
  /// Destinations that share the memory for parts.
  let laneCount: Int
  /// Of a file: where its path stands, and where uploads in parts are noted.
  var root = ""
  var journal: UploadJournal?

  /// Gives what the store has told of the object; nil when an earlier run has stored it already.
  func send(_ attributes: S3Attributes) throws(MirrorError) -> S3Stored? {
    if isInParts { return try sendParts(attributes) }
    if let md5 = reader.bytes?.md5 ?? reader.facts.md5 {
      return try put(attributes, md5: md5)
    }
    for _ in 1...Upload.attemptsMax where store.trustsETags {
      if let stored = try putAndCompare(attributes) { return stored }
    }
    guard !store.trustsETags else {
      throw .damaged(
        path: reader.path, problem: "the store holds something else than what was sent")
    }
    let md5 = try reader.digestsInAdvance().md5
    try reader.checkUnchanged()
    return try put(attributes, md5: md5)
  }

  private var isInParts: Bool {
    let transfer = store.options.transfer
    return transfer.usesMultipart && reader.sizeBytes > 0
      && reader.sizeBytes >= transfer.uploadCutoffBytes
  }

  /// Sends the content with its MD5, which the store compares.
  private func put(
    _ attributes: S3Attributes, md5: [UInt8]
  ) throws(MirrorError) -> S3Stored {
    var body = S3Body(reader.httpBody, md5: md5)
    // Digests of a content that is not in memory would be another read.
    body.isUnsigned = reader.bytes == nil
    if store.client.signsPayload { body.sha256 = try reader.bytes?.sha256() }
    return try store.calling { (client) throws(S3Error) in
      try client.putObject(
        store.bucket, key, body, attributes, checksETag: store.trustsETags)
    }
  }

  /// Sends the content without its MD5, which is made meanwhile; nil when the object's ETag is
  /// another one. The object is gone then.
  private func putAndCompare(_ attributes: S3Attributes) throws(MirrorError) -> S3Stored? {
    var body = S3Body(reader.httpBody)
    body.isUnsigned = true
    let stored = try store.calling { (client) throws(S3Error) in
      try client.putObject(store.bucket, key, body, attributes, checksETag: false)
    }
    guard !stored.isEncryptedByKey, let told = ETag.md5(stored.etag) else {
      // Neither this object's ETag nor those to come tell anything.
      store.distrustETags()
      return nil
    }
    if try told == reader.md5() { return stored }
    try store.calling { (client) throws(S3Error) in
      try client.deleteObject(store.bucket, key)
    }
    try reader.checkUnchanged()
    return nil
  }

  private func sendParts(_ attributes: S3Attributes) throws(MirrorError) -> S3Stored? {
    let transfer = store.options.transfer
    let inFlight = (transfer.partsInFlight + laneCount - 1) / laneCount
    if let identity = reader.facts.file {
      return try ResumableUpload(
        store: store, key: key, file: reader, identity: identity, root: root,
        attributes: attributes, journal: journal, concurrency: inFlight
      ).send()
    }
    var attributes = attributes
    if transfer.storesWholeMD5 {
      let md5 =
        if let told = reader.facts.md5 { told } else { try reader.digestsInAdvance().md5 }
      try reader.checkUnchanged()
      attributes.metadata.append(("md5chksum", Base64.text(of: md5)))
    }
    let stored = try store.calling { (client) throws(S3Error) in
      try S3Upload.store(
        client, store.bucket, key, ObjectBody(reader), attributes,
        partSizeBytes: transfer.partSizeBytes, concurrency: inFlight)
    }
    // The MD5 that another store tells is that of what it has sent.
    guard let told = reader.facts.md5 else { return stored }
    let md5 = try reader.md5()
    guard told != md5 else { return stored }
    try store.calling { (client) throws(S3Error) in
      try client.deleteObject(store.bucket, key)
    }
    throw .damaged(path: reader.path, told: told, came: md5)
  }
}
