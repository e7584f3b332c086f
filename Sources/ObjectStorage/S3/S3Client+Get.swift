package import HTTPClient
import Platform

/// The place that a download has reached.
private final class S3Download {
  let range: Range<Int64>
  var next: Int64
  var etag: String?
  var head: S3ObjectHead?
  var isStopped = false

  init(_ range: Range<Int64>) {
    self.range = range
    next = range.lowerBound
  }
}

extension S3Client {
  /// Reads an object, or a range of it that may reach beyond its end, and hands the bytes to
  /// `receive` in order, each once. A connection that breaks is taken up again where it broke, on
  /// the condition that the object is still the same.
  ///
  /// Gives what the service told of the object; nil when the range begins at or behind its end.
  /// - Throws: ``S3Error/changed(subject:)`` when the object was replaced meanwhile.
  package func getObject(
    _ bucket: String, _ key: String, range: Range<Int64>? = nil, ifMatch etag: String? = nil,
    receive: @escaping (UnsafeRawBufferPointer) throws(HTTPError) -> HTTPFlow
  ) throws(S3Error) -> S3ObjectHead? {
    let subject = S3Client.subject(bucket, key)
    let download = S3Download(range ?? 0..<Int64.max)
    download.etag = etag.map(ETag.plain)
    do throws(S3Error) {
      _ = try send(.getObject, subject) { (_) throws(S3Error) in
        var call = S3Call(.get, bucket, key)
        if range != nil || download.next > 0 {
          let last = download.range.upperBound == .max ? "" : "\(download.range.upperBound - 1)"
          call.add("range", "bytes=\(download.next)-\(last)")
        }
        call.add("if-match", download.etag.map(ETag.quoted))
        call.receiver = receiver(of: download, subject, receive)
        return call
      } read: { (response, _) throws(S3Error) in
        if download.head == nil { try begin(download, response.head, subject) }
        try complete(download, subject)
      }
    } catch {
      guard error.failure?.status == 416 || error.failure?.code == "InvalidRange" else {
        if error.isConditionFailed, download.head != nil { throw .changed(subject: subject) }
        throw error
      }
      // The end was reached exactly when the connection broke.
      return download.head
    }
    return download.head
  }

  /// A receiver for one attempt.
  private func receiver(
    of download: S3Download, _ subject: String,
    _ receive: @escaping (UnsafeRawBufferPointer) throws(HTTPError) -> HTTPFlow
  ) -> HTTPReceiver {
    var surplus: Int64?
    return .push { [self] (head, bytes) throws(HTTPError) in
      var bytes = bytes
      if surplus == nil {
        do throws(S3Error) {
          surplus = try begin(download, head, subject)
        } catch {
          throw .receiverFailed(error)
        }
      }
      // A server that does not know ranges starts at the beginning.
      if let skipped = surplus, skipped > 0 {
        let count = min(skipped, Int64(bytes.count))
        surplus = skipped - count
        bytes = UnsafeRawBufferPointer(rebasing: bytes[Int(count)...])
      }
      let room = download.range.upperBound - download.next
      if Int64(bytes.count) > room {
        bytes = UnsafeRawBufferPointer(rebasing: bytes[..<Int(room)])
      }
      guard !bytes.isEmpty else { return room == 0 ? .stop : .goOn }
      download.next += Int64(bytes.count)
      if try receive(bytes) == .stop {
        download.isStopped = true
        return .stop
      }
      return download.next == download.range.upperBound ? .stop : .goOn
    }
  }

  /// Looks at an attempt's header; gives the bytes to pass over.
  @discardableResult
  private func begin(
    _ download: S3Download, _ head: HTTPResponseHead, _ subject: String
  ) throws(S3Error) -> Int64 {
    let etag = ETag.plain(head.fields["etag"] ?? "")
    if let known = download.etag, !etag.isEmpty, known != etag { throw .changed(subject: subject) }
    var start: Int64 = 0
    var size = head.contentLength
    // Some give a range with the status of the whole.
    if head.status == 206 || head.fields["content-range"] != nil {
      guard let told = S3Client.contentRange(head.fields["content-range"] ?? "") else {
        throw .answer(operation: .getObject, subject: subject, problem: "no range is told")
      }
      guard told.start == download.next else {
        throw .answer(
          operation: .getObject, subject: subject,
          problem: "the range starts at \(told.start), asked was \(download.next)")
      }
      (start, size) = (told.start, told.size)
    }
    if let known = download.head {
      guard size == nil || size == known.sizeBytes else { throw .changed(subject: subject) }
    } else {
      download.head = S3ObjectHead(head, sizeBytes: size ?? -1)
      if !etag.isEmpty { download.etag = etag }
    }
    return download.next - start
  }

  private func complete(_ download: S3Download, _ subject: String) throws(S3Error) {
    guard !download.isStopped, let size = download.head?.sizeBytes, size >= 0 else { return }
    let end = min(size, download.range.upperBound)
    guard download.next >= end else {
      throw .answer(
        operation: .getObject, subject: subject,
        problem: "\(download.next) of \(end) bytes came, and the answer calls itself whole")
    }
  }

  /// `bytes 0-9/100`; the size is nil for `*`.
  static func contentRange(_ text: String) -> (start: Int64, size: Int64?)? {
    guard text.hasPrefix("bytes ") else { return nil }
    let parts = text.dropFirst(6).split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let dash = parts[0].firstIndex(of: "-"),
      let start = Int64(parts[0][..<dash]), start >= 0
    else { return nil }
    return (start, Int64(parts[1]))
  }
}
