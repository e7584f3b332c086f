/// An S3 bucket of any number of objects whose listing is made page by page as it is asked for.
///
///     let listing = GeneratedListing(bucket: "many", count: 1_000_000)
///     let server = try ScriptedServer(recordsRequests: false) { request in
///       listing.answer(to: request) ?? .error(status: 404, code: "NoSuchKey")
///     }
///
/// Both versions of the listing, with prefix, delimiter, markers and URL encoding.
package struct GeneratedListing: Sendable {
  package let bucket: String
  package let count: Int
  /// Of each object.
  package var sizeBytes = 1
  /// Of each object.
  package var lastModified = "2026-01-02T03:04:05.000Z"
  /// Of each object: the MD5 of one zero byte.
  package var etag = "93b885adfe0da089cdf634904fd59f71"
  package var pageSizeMax = 1000

  private let key: @Sendable (Int) -> String

  /// `key` gives the keys in ascending order of their bytes; without it they are `d0000/f0000000`,
  /// `d0000/f0000001`, … with a thousand in each folder.
  package init(bucket: String, count: Int, key: (@Sendable (Int) -> String)? = nil) {
    self.bucket = bucket
    self.count = count
    self.key = key ?? { "d\(padded($0 / 1000, 4))/f\(padded($0, 7))" }
  }

  /// The key of an object by its number, from 0.
  package func key(at index: Int) -> String { key(index) }

  /// A page; nil when the request is no listing of this bucket.
  package func answer(to request: ScriptedServer.Request) -> ScriptedServer.Answer? {
    let kind = S3RequestKind(method: request.method, target: request.target, copies: false)
    guard kind == .list, request.path == "/\(bucket)" || request.path == "/\(bucket)/" else {
      return nil
    }
    let query = ListQuery(request, pageSizeMax)
    guard let start = startIndex(query) else {
      return .error(status: 400, code: "InvalidArgument")
    }
    return ScriptedServer.Answer(
      headers: [WireHeader("Content-Type", "application/xml")],
      body: .bytes(page(query, from: start)))
  }

  private func startIndex(_ query: ListQuery) -> Int? {
    if let token = query.token {
      guard token.hasPrefix("at-"), let index = Int(token.dropFirst(3)), index <= count else {
        return nil
      }
      return index
    }
    let marker = query.marker
    let afterMarker = firstIndex { $0.utf8.elementsEqual(marker.utf8) || precedes($0, marker) }
    let isFolder = !query.delimiter.isEmpty && marker.hasSuffix(query.delimiter)
    let afterFolder = isFolder ? endIndex(ofPrefix: marker) : 0
    let atPrefix = firstIndex { precedes($0, query.prefix) }
    return max(marker.isEmpty ? 0 : afterMarker, afterFolder, atPrefix)
  }

  /// The first index for which `isBefore` does not hold, which holds for all before it.
  private func firstIndex(_ isBefore: (String) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if isBefore(key(middle)) { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private func endIndex(ofPrefix prefix: String) -> Int {
    firstIndex { precedes($0, prefix) || $0.utf8.starts(with: prefix.utf8) }
  }

  private func page(_ query: ListQuery, from start: Int) -> [UInt8] {
    var entries: [UInt8] = []
    entries.reserveCapacity(256 * query.sizeMax)
    let tail = Array(
      ("</Key><LastModified>\(lastModified)</LastModified><ETag>&quot;\(etag)&quot;</ETag>"
        + "<Size>\(sizeBytes)</Size><StorageClass>STANDARD</StorageClass></Contents>").utf8)
    var prefixes: [String] = []
    var (index, emitted, last) = (start, 0, "")
    var end = count
    if !query.prefix.isEmpty { end = endIndex(ofPrefix: query.prefix) }
    while index < end, emitted < query.sizeMax {
      let key = key(index)
      emitted += 1
      if let folder = query.folder(of: key) {
        prefixes.append(folder)
        last = folder
        index = endIndex(ofPrefix: folder)
      } else {
        entries.append(contentsOf: contentsStart)
        entries.append(contentsOf: query.encoded(key).utf8)
        entries.append(contentsOf: tail)
        last = key
        index += 1
      }
    }
    let head = query.head(bucket: bucket, emitted: emitted, next: index < end ? (index, last) : nil)
    let folders = prefixes.map {
      "<CommonPrefixes><Prefix>\(query.encoded($0))</Prefix></CommonPrefixes>"
    }
    return Array(head.utf8) + entries + Array((folders.joined() + "</ListBucketResult>").utf8)
  }
}

private let contentsStart = Array("<Contents><Key>".utf8)

/// What a listing was asked for.
private struct ListQuery {
  let isVersion2: Bool
  let prefix: String
  let delimiter: String
  let marker: String
  let token: String?
  let sizeMax: Int
  let isURLEncoded: Bool

  init(_ request: ScriptedServer.Request, _ pageSizeMax: Int) {
    isVersion2 = request.query("list-type") == "2"
    prefix = request.query("prefix") ?? ""
    delimiter = request.query("delimiter") ?? ""
    marker = request.query(isVersion2 ? "start-after" : "marker") ?? ""
    token = isVersion2 ? request.query("continuation-token") : nil
    sizeMax = min(pageSizeMax, request.query("max-keys").flatMap { Int($0) } ?? pageSizeMax)
    isURLEncoded = request.query("encoding-type") == "url"
  }

  /// The common prefix under which a key is listed, if it is not listed itself.
  func folder(of key: String) -> String? {
    guard !delimiter.isEmpty, let end = key.dropFirst(prefix.count).firstRange(of: delimiter)
    else { return nil }
    return String(key[..<end.upperBound])
  }

  func head(bucket: String, emitted: Int, next: (index: Int, last: String)?) -> String {
    var text =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      + "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
    text += "<Name>\(bucket)</Name><Prefix>\(encoded(prefix))</Prefix><MaxKeys>\(sizeMax)</MaxKeys>"
    text += "<IsTruncated>\(next != nil)</IsTruncated>"
    if !delimiter.isEmpty { text += "<Delimiter>\(encoded(delimiter))</Delimiter>" }
    if isURLEncoded { text += "<EncodingType>url</EncodingType>" }
    if isVersion2 {
      text += "<KeyCount>\(emitted)</KeyCount>"
      if let token { text += "<ContinuationToken>\(token)</ContinuationToken>" }
      if let next { text += "<NextContinuationToken>at-\(next.index)</NextContinuationToken>" }
    } else {
      text += "<Marker>\(encoded(marker))</Marker>"
      // Without a delimiter the last key is the next marker, and stores leave it out.
      if let next, !delimiter.isEmpty { text += "<NextMarker>\(encoded(next.last))</NextMarker>" }
    }
    return text
  }

  /// As it stands in the document.
  func encoded(_ text: String) -> String {
    guard !text.utf8.allSatisfy(isPlain) else { return text }
    if isURLEncoded {
      return text.utf8.map { byte in
        if isPlain(byte) { return String(UnicodeScalar(byte)) }
        let digits = String(byte, radix: 16, uppercase: true)
        return "%\(digits.count == 1 ? "0" : "")\(digits)"
      }.joined()
    }
    return text.map { character in
      switch character {
      case "&": "&amp;"
      case "<": "&lt;"
      case ">": "&gt;"
      default: String(character)
      }
    }.joined()
  }
}

/// Letters, digits, and what needs no escape in a URL's path.
private func isPlain(_ byte: UInt8) -> Bool {
  switch byte {
  case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x2f, 0x5f, 0x7e: true
  default: false
  }
}

private func precedes(_ a: String, _ b: String) -> Bool {
  a.utf8.lexicographicallyPrecedes(b.utf8)
}

private func padded(_ number: Int, _ width: Int) -> String {
  let text = String(number)
  return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
}
