import HTTPClient
import Platform

/// A key that a batch did not delete.
package struct S3DeleteFailure: Sendable {
  package var key: String
  package var error: S3Error
}

/// The answer to a batch, while it is read.
private final class S3DeleteAnswer: XMLVisitor {
  private(set) var root = ""
  private(set) var errors: [(key: String, failure: S3Failure)] = []
  private var current: [String: String] = [:]

  func begin(_ path: [String]) {
    if path.count == 1 { root = path[0] }
    if path.count == 2 { current = [:] }
  }

  func end(_ path: [String], _ text: [UInt8]) {
    guard path.count > 1, path[1] == "Error" else { return }
    if path.count == 3 { current[path[2]] = String(decoding: text, as: UTF8.self) }
    guard path.count == 2, errors.count <= S3Limits.deleteCountMax else { return }
    let code = S3Failure.shown(current["Code"] ?? "")
    // The number stands for nothing that came over the wire: a batch has one status for all.
    let status = code == "AccessDenied" ? 403 : code == "InternalError" ? 500 : 400
    errors.append(
      (
        current["Key"] ?? "",
        S3Failure(status: status, code: code, text: S3Failure.shown(current["Message"] ?? ""))
      ))
  }
}

extension S3Client {
  /// Deletes objects, up to 1000 with one request; keys that XML cannot carry go one by one. Those
  /// that are not there are no errors.
  ///
  /// Gives the keys that are still there with the reasons. What the service may do later is tried
  /// again, key by key.
  /// - Throws: what makes the rest hopeless as well: nothing is known of the keys not told then.
  package func deleteObjects(
    _ bucket: String, _ keys: [String]
  ) throws(S3Error) -> [S3DeleteFailure] {
    var failures: [S3DeleteFailure] = []
    var batch: [(key: String, escaped: String)] = []
    for key in keys {
      guard let escaped = XMLText.escaped(key) else {
        try delete(bucket, key, &failures)
        continue
      }
      batch.append((key, escaped))
      if batch.count == S3Limits.deleteCountMax {
        try delete(bucket, batch, &failures)
        batch = []
      }
    }
    if !batch.isEmpty { try delete(bucket, batch, &failures) }
    return failures
  }

  private func delete(
    _ bucket: String, _ key: String, _ failures: inout [S3DeleteFailure]
  ) throws(S3Error) {
    do throws(S3Error) {
      try deleteObject(bucket, key)
    } catch {
      guard case .service = error, error.failure?.code != "NoSuchBucket" else { throw error }
      failures.append(S3DeleteFailure(key: key, error: error))
    }
  }

  private func delete(
    _ bucket: String, _ batch: [(key: String, escaped: String)],
    _ failures: inout [S3DeleteFailure]
  ) throws(S3Error) {
    let subject = S3Client.subject(bucket)
    let objects = batch.map { "<Object><Key>\($0.escaped)</Key></Object>" }.joined()
    let text =
      "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>\(objects)"
      + "</Delete>"
    var body = S3Body(Array(text.utf8))
    // Required here, whatever the settings.
    try body.digest(md5: true, sha256: false, checksum: nil)
    body = try prepared(body)
    let answer: S3DeleteAnswer
    do throws(S3Error) {
      answer = try send(.deleteObjects, subject) { (_) throws(S3Error) in
        var call = S3Call(.post, bucket)
        call.ask("delete", "")
        call.body = body
        if !options.sendsMD5, let md5 = body.md5 { call.add("content-md5", Base64.text(of: md5)) }
        call.add("content-type", "application/xml")
        call.idleSeconds = S3Client.longIdleSeconds
        return call
      } read: { (response, _) throws(S3Error) in
        try deleteAnswer(response, subject)
      }
    } catch {
      // A service without this call.
      guard error.failure?.code == "NotImplemented" || error.failure?.status == 405 else {
        throw error
      }
      for (key, _) in batch { try delete(bucket, key, &failures) }
      return
    }
    for (key, failure) in answer.errors {
      switch S3Rules.verdict(failure) {
      case .again, .slower: try delete(bucket, key, &failures)
      default:
        if ["NoSuchKey", "NotFound"].contains(failure.code) { continue }
        failures.append(
          S3DeleteFailure(
            key: key,
            error: .service(
              failure, operation: .deleteObjects, subject: S3Client.subject(bucket, key))))
      }
    }
  }

  private func deleteAnswer(
    _ response: HTTPResponse, _ subject: String
  ) throws(S3Error) -> S3DeleteAnswer {
    let answer = S3DeleteAnswer()
    let reader = XMLReader(answer)
    let result = response.body.withUnsafeBytes { buffer in
      Result { () throws(XMLFailure) in
        try reader.feed(buffer)
        try reader.finish()
      }
    }
    if case .failure(let error) = result {
      throw .answer(operation: .deleteObjects, subject: subject, problem: error.problem)
    }
    switch answer.root {
    case "DeleteResult": return answer
    case "Error":
      // A failure with the status of success.
      _ = try document(of: response, .deleteObjects, subject)
      return answer
    default:
      throw .answer(
        operation: .deleteObjects, subject: subject, problem: "the answer names no objects")
    }
  }
}
