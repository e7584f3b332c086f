import HTTPClient
package import Platform

/// An object in a listing.
package struct S3Entry: Sendable, Equatable {
  /// UTF-8, or what the server sent in its place.
  package var key: [UInt8]
  package var sizeBytes: Int64
  /// Without quotes.
  package var etag: String
  package var modified: WallTime?
  package var storageClass: String

  package init(
    key: [UInt8], sizeBytes: Int64, etag: String, modified: WallTime? = nil, storageClass: String
  ) {
    self.key = key
    self.sizeBytes = sizeBytes
    self.etag = etag
    self.modified = modified
    self.storageClass = storageClass
  }

  package var keyText: String? { String(validating: key, as: UTF8.self) }
}

/// One page of a listing, while it is read.
final class S3ListingPage: XMLVisitor {
  /// The service gives at most 1000 a page.
  static let entryCountMax = 20_000

  private(set) var entries: [S3Entry] = []
  private(set) var prefixes: [[UInt8]] = []
  private(set) var isTruncated = false
  private(set) var nextToken: String?
  private(set) var nextMarker: [UInt8]?
  private(set) var root = ""
  private(set) var problem: String?
  private var encoding = ""
  private var entry = S3Entry(key: [], sizeBytes: 0, etag: "", storageClass: "")

  func begin(_ path: [String]) {
    if path.count == 1 { root = path[0] }
    if path.count == 2, path[1] == "Contents" {
      entry = S3Entry(key: [], sizeBytes: -1, etag: "", storageClass: "")
    }
  }

  func end(_ path: [String], _ text: [UInt8]) {
    switch (path.count, path.count > 1 ? path[1] : "") {
    case (2, "Contents"): add()
    case (2, let name): take(name, text)
    case (3, "Contents"): takeEntry(path[2], text)
    case (3, "CommonPrefixes"):
      if path[2] == "Prefix" { prefixes.append(text) }
    default: break
    }
  }

  private func take(_ name: String, _ text: [UInt8]) {
    switch name {
    case "IsTruncated": isTruncated = String(decoding: text, as: UTF8.self) == "true"
    case "NextContinuationToken": nextToken = String(decoding: text, as: UTF8.self)
    case "NextMarker": nextMarker = text
    case "EncodingType": encoding = String(decoding: text, as: UTF8.self)
    default: break
    }
  }

  private func takeEntry(_ name: String, _ text: [UInt8]) {
    switch name {
    case "Key": entry.key = text
    case "Size": entry.sizeBytes = Int64(String(decoding: text, as: UTF8.self)) ?? -1
    case "ETag": entry.etag = ETag.plain(String(decoding: text, as: UTF8.self))
    case "LastModified":
      entry.modified = WallTime(rfc3339: String(decoding: text, as: UTF8.self))
    case "StorageClass": entry.storageClass = String(decoding: text, as: UTF8.self)
    default: break
    }
  }

  private func add() {
    guard !entry.key.isEmpty, entry.sizeBytes >= 0 else {
      problem = problem ?? "an object without a key or without a size"
      return
    }
    guard entries.count < S3ListingPage.entryCountMax else {
      problem = problem ?? "more than \(S3ListingPage.entryCountMax) objects in one page"
      return
    }
    entries.append(entry)
  }

  /// Undoes the encoding. The element that tells it may stand behind the keys, so this comes last.
  func decode() {
    guard encoding == "url" else { return }
    func plain(_ text: [UInt8]) -> [UInt8] {
      guard let decoded = S3Encoding.decoded(text) else {
        problem = problem ?? "a key with a broken encoding"
        return text
      }
      return decoded
    }
    for index in entries.indices { entries[index].key = plain(entries[index].key) }
    // Old servers do not encode prefixes; those hold no per cent sign as a rule.
    prefixes = prefixes.map { S3Encoding.decoded($0) ?? $0 }
    nextMarker = nextMarker.map(plain)
  }
}
