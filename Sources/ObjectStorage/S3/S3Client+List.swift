import HTTPClient
import Platform

/// Where a listing goes on.
private enum S3ListingPlace {
  case start
  case token(String)
  case behind([UInt8])
}

extension S3Client {
  /// Pages without any object that one listing may have in a row.
  private static let emptyPageCountMax = 1000

  /// Visits the objects whose keys start with `prefix` and come after `after`, in the order of
  /// their keys' bytes. Memory holds one page.
  ///
  /// A listing that repeats itself, goes back or never ends is a failure: what compares two sorted
  /// listings would take objects for missing. With a `delimiter` the names below it are left out,
  /// and told to `folder` page by page.
  package func list(
    _ bucket: String, prefix: String = "", after: String? = nil, delimiter: String? = nil,
    folder: (([UInt8]) -> Void)? = nil,
    visit: (S3Entry) throws(S3Error) -> Void
  ) throws(S3Error) {
    let subject = S3Client.subject(bucket, prefix.isEmpty ? nil : prefix)
    var place = S3ListingPlace.start
    var last: [UInt8]? = after.map { Array($0.utf8) }
    var lastToken: String?
    var emptyCount = 0
    func broken(_ problem: String) -> S3Error {
      .answer(operation: .listObjects, subject: subject, problem: problem)
    }
    while true {
      let page = try page(bucket, prefix, after, delimiter, place, subject)
      for entry in page.entries {
        if let last, !last.lexicographicallyPrecedes(entry.key) {
          // Some servers give the start of a listing back.
          if case .start = place, let after, entry.key == Array(after.utf8) { continue }
          throw broken("the listing is not in order at '\(printable(entry.key))'")
        }
        guard entry.key.starts(with: prefix.utf8) else {
          throw broken("'\(printable(entry.key))' is not what was asked for")
        }
        last = entry.key
        try visit(entry)
      }
      if let folder { page.prefixes.forEach(folder) }
      guard page.isTruncated else { return }
      emptyCount = page.entries.isEmpty && page.prefixes.isEmpty ? emptyCount + 1 : 0
      guard emptyCount <= S3Client.emptyPageCountMax else {
        throw broken("the listing goes on without objects")
      }
      if let token = page.nextToken, !token.isEmpty {
        guard token != lastToken else { throw broken("the listing goes in a circle") }
        (lastToken, place) = (token, .token(token))
      } else {
        place = try next(behind: page, last, subject)
      }
    }
  }

  /// Where a page without a token says to go on: the first listing's way.
  private func next(
    behind page: S3ListingPage, _ last: [UInt8]?, _ subject: String
  ) throws(S3Error) -> S3ListingPlace {
    let ends = [page.nextMarker ?? [], page.entries.last?.key ?? [], page.prefixes.last ?? []]
    guard let end = ends.max(by: { $0.lexicographicallyPrecedes($1) }), !end.isEmpty else {
      throw .answer(
        operation: .listObjects, subject: subject,
        problem: "the listing is cut off, and nothing says where it goes on")
    }
    fallBackToFirstListing()
    return .behind(end)
  }

  private func page(
    _ bucket: String, _ prefix: String, _ after: String?, _ delimiter: String?,
    _ place: S3ListingPlace, _ subject: String
  ) throws(S3Error) -> S3ListingPage {
    let usesFirst = usesFirstListing
    do throws(S3Error) {
      return try page(bucket, prefix, after, delimiter, place, subject, usesFirst: usesFirst)
    } catch {
      let code = error.failure?.code
      guard !usesFirst, options.listVersion == .auto, code == "NotImplemented",
        case .start = place
      else { throw error }
      fallBackToFirstListing()
    }
    return try page(bucket, prefix, after, delimiter, place, subject, usesFirst: true)
  }

  private func page(
    _ bucket: String, _ prefix: String, _ after: String?, _ delimiter: String?,
    _ place: S3ListingPlace, _ subject: String, usesFirst: Bool
  ) throws(S3Error) -> S3ListingPage {
    // Each attempt has a page of its own, as one may break in the middle.
    var page = S3ListingPage()
    var reader = XMLReader(page)
    return try send(.listObjects, subject) { (_) throws(S3Error) in
      page = S3ListingPage()
      reader = XMLReader(page)
      var call = S3Call(.get, bucket)
      call.ask("encoding-type", "url")
      call.ask("max-keys", "1000")
      call.ask("prefix", prefix.isEmpty ? nil : prefix)
      call.ask("delimiter", delimiter)
      S3Client.ask(&call, for: place, after, usesFirst: usesFirst)
      let attempt = reader
      call.receiver = .push { (_, bytes) throws(HTTPError) in
        do throws(XMLFailure) { try attempt.feed(bytes) } catch {
          throw .receiverFailed(
            S3Error.answer(operation: .listObjects, subject: subject, problem: error.problem))
        }
        return .goOn
      }
      return call
    } read: { (_, _) throws(S3Error) in
      try finish(reader, page, subject)
      return page
    }
  }

  private static func ask(
    _ call: inout S3Call, for place: S3ListingPlace, _ after: String?, usesFirst: Bool
  ) {
    if !usesFirst { call.ask("list-type", "2") }
    switch place {
    case .start: call.ask(usesFirst ? "marker" : "start-after", after)
    case .token(let token): call.ask("continuation-token", token)
    case .behind(let key):
      call.ask(
        usesFirst ? "marker" : "start-after", String(decoding: key, as: UTF8.self))
    }
  }

  private func finish(
    _ reader: XMLReader, _ page: S3ListingPage, _ subject: String
  ) throws(S3Error) {
    func broken(_ problem: String) -> S3Error {
      .answer(operation: .listObjects, subject: subject, problem: problem)
    }
    do throws(XMLFailure) { try reader.finish() } catch { throw broken(error.problem) }
    guard page.root == "ListBucketResult" else { throw broken("the answer is no listing") }
    page.decode()
    if let problem = page.problem { throw broken(problem) }
  }
}
