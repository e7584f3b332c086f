import Cryptography
package import HTTPClient
package import Platform
import Synchronization

/// Calls of the S3 service, from any thread. Each is signed, and made again as ``S3Rules`` says.
///
/// Several buckets of one endpoint may be used through one client. A receiver of an object must not
/// call the client when ``S3Options/connectionsMax`` is 1.
package final class S3Client: @unchecked Sendable {
  /// A difference of clocks above which a refusal is taken for one because of it.
  private static let skewSecondsMax: Int64 = 600
  private static let sleepSecondsMax = 0.25
  /// Fields that are added to those of a call.
  private static let ownFieldCountMax = 8

  package let options: S3Options
  private let http: HTTPClient
  private let keys = S3SigningKeys()
  private let gate: S3Gate
  private let hasAnswered = Atomic<Bool>(false)
  private let lock = Lock()
  // Guarded by `lock`.
  /// As the service has told them, by bucket.
  private var regions: [String: String] = [:]
  private var ways: [String: BucketWay] = [:]
  private var clockOffsetSeconds: Int64 = 0
  private var listsFirst = false

  package init(_ options: S3Options, http: HTTPClient) {
    self.options = options
    self.http = http
    gate = S3Gate(options.connectionsMax)
  }

  package var endpoint: S3Endpoint { options.endpoint }
  /// Requests that may be under way now.
  package var connectionLimitNow: Int { gate.limitNow }

  /// Whether the server has shown that it knows the first listing only.
  var usesFirstListing: Bool {
    switch options.listVersion {
    case .first: true
    case .second: false
    case .auto: lock.withLock { listsFirst }
    }
  }

  func fallBackToFirstListing() { lock.withLock { listsFirst = true } }

  /// The wall time by the server's clock, as far as it is known.
  package func now() -> WallTime {
    var time = options.clock.wallTime()
    time.seconds += lock.withLock { clockOffsetSeconds }
    return time
  }

  /// A bucket and a key for messages.
  static func subject(_ bucket: String, _ key: String? = nil) -> String {
    printable(bucket.utf8) + (key.map { "/\(printable($0.utf8))" } ?? "")
  }

  func region(of bucket: String) -> String { way(to: bucket).region }

  /// What the requests for one bucket have in common.
  private struct BucketWay {
    var region: String
    /// What the header `Host` says.
    var host: String
    /// What comes before the key, or before its slash when it is not empty; encoded.
    var path: String
    /// Scheme and host of the URL.
    var base: String
  }

  private func way(to bucket: String) -> BucketWay {
    lock.withLock {
      if let known = ways[bucket] { return known }
      let told = regions[bucket]
      let amazonRegion = options.endpoint.amazonRegion
      let endpoint = options.endpoint.moved(to: told ?? amazonRegion ?? "")
      let isInHost = endpoint.namesInHost(bucket, options.addressing)
      let host = endpoint.hostText(bucket: isInHost ? bucket : nil)
      let region = options.region.isEmpty ? amazonRegion ?? "us-east-1" : options.region
      let way = BucketWay(
        region: told ?? region, host: host,
        path: endpoint.path + (isInHost ? "" : "/\(S3Encoding.path(bucket))"),
        base: "\(endpoint.isSecure ? "https" : "http")://\(host)")
      ways[bucket] = way
      return way
    }
  }

  // MARK: Attempts

  /// Makes a call until it succeeds or there is no use in it.
  ///
  /// `make` gives the request of each attempt; `read` takes its answer of success apart, and may
  /// find a failure in it.
  func send<Value>(
    _ operation: S3Operation, _ subject: String,
    _ make: (S3Tries) throws(S3Error) -> S3Call,
    read: (HTTPResponse, S3Tries) throws(S3Error) -> Value
  ) throws(S3Error) -> Value {
    var tries = S3Tries()
    var bucket = ""
    while true {
      let failure: S3Error
      do throws(S3Error) {
        let call = try make(tries)
        bucket = call.bucket
        let response = try attempt(call, operation, subject)
        let value = try read(response, tries)
        hasAnswered.store(true, ordering: .relaxed)
        options.budget.succeed()
        gate.succeed()
        return value
      } catch {
        failure = error
      }
      try prepareNext(after: failure, &tries, operation, subject, bucket)
    }
  }

  func send(
    _ operation: S3Operation, _ subject: String,
    _ make: (S3Tries) throws(S3Error) -> S3Call
  ) throws(S3Error) -> HTTPResponse {
    try send(operation, subject, make) { (response, _) throws(S3Error) in response }
  }

  private func attempt(
    _ call: S3Call, _ operation: S3Operation, _ subject: String
  ) throws(S3Error) -> HTTPResponse {
    if options.isCancelled() { throw .cancelled }
    let request = try signed(call)
    gate.enter()
    options.paceRequest?()
    let result = Result { () throws(HTTPError) in try http.perform(request, call.receiver) }
    gate.leave()
    switch result {
    case .success(let response):
      guard response.isSuccess else {
        throw .service(
          S3Failure(response, now: now()), operation: operation, subject: subject)
      }
      return response
    case .failure(let error): throw .from(error, operation, subject)
    }
  }

  /// Waits for the next attempt, or throws when there is none.
  private func prepareNext(
    after failure: S3Error, _ tries: inout S3Tries, _ operation: S3Operation, _ subject: String,
    _ bucket: String
  ) throws(S3Error) {
    tries.isInDoubt = tries.isInDoubt || failure.leavesDoubt
    let asked: Double?
    switch verdict(on: failure) {
    case .never: throw failure
    case .fixClock:
      guard !tries.hasFixedClock, fixClock(failure) else { throw failure }
      tries.hasFixedClock = true
      return
    case .refreshCredentials:
      guard !tries.hasRefreshed else { throw failure }
      tries.hasRefreshed = true
      _ = try options.credentials.credentials(refreshing: true)
      return
    case .region(let region):
      guard !tries.hasMoved else { throw failure }
      tries.hasMoved = true
      lock.withLock {
        regions[bucket] = region
        ways[bucket] = nil
      }
      return
    case .resendOnce:
      guard !tries.hasResent else { throw failure }
      tries.hasResent = true
      asked = nil
    case .slower:
      gate.slowDown()
      asked = failure.failure?.askedSeconds
    case .again: asked = failure.failure?.askedSeconds
    }
    // What has answered once does so again when the way to it is found again.
    let limit = hasAnswered.load(ordering: .relaxed) ? nil : failure.attemptsMax
    guard tries.attempt < min(options.retry.attemptsMax, limit ?? .max) else {
      throw tries.attempt == 1 ? failure : .exhausted(attempts: tries.attempt, last: failure)
    }
    guard options.budget.take() else { throw .budgetSpent(last: failure) }
    let delay = options.retry.delaySeconds(
      afterAttempt: tries.attempt, random: options.jitter(), askedSeconds: asked)
    options.observe(
      S3RetryNotice(
        operation: operation, subject: subject, attempt: tries.attempt, delaySeconds: delay,
        error: failure))
    tries.attempt += 1
    try wait(delay)
  }

  private func verdict(on failure: S3Error) -> S3Verdict {
    switch failure {
    case .service(let service, _, _):
      let verdict = S3Rules.verdict(service)
      // Some refuse a wrong clock without saying so, and answers to HEAD cannot say it.
      guard verdict == .never, [400, 401, 403].contains(service.status), let date = service.date,
        abs(date.seconds - now().seconds) > S3Client.skewSecondsMax
      else { return verdict }
      return .fixClock
    case .http(let error, _, _): return HTTPRetryVerdict(error) == .never ? .never : .again
    default: return .never
    }
  }

  private func fixClock(_ failure: S3Error) -> Bool {
    guard let date = failure.failure?.date else { return false }
    let offset = date.seconds - options.clock.wallTime().seconds
    lock.withLock { clockOffsetSeconds = offset }
    return true
  }

  /// Sleeps, and looks for a cancellation meanwhile.
  private func wait(_ seconds: Double) throws(S3Error) {
    let end = options.clock.monotonicTime().advanced(bySeconds: seconds)
    while true {
      if options.isCancelled() { throw .cancelled }
      let rest = end.seconds(since: options.clock.monotonicTime())
      guard rest > 0 else { return }
      options.clock.sleep(seconds: min(rest, S3Client.sleepSecondsMax))
    }
  }

  // MARK: Signing

  /// Whether the SHA-256 of a body goes with it, unless it is sent unsigned.
  package var signsPayload: Bool {
    switch options.payloadSigning {
    case .auto: !options.endpoint.isSecure
    case .always: true
    case .never: false
    }
  }

  /// Has the digests made that the settings ask for; they are made once, not at each attempt.
  func prepared(_ body: S3Body) throws(S3Error) -> S3Body {
    var body = body
    if body.isUnsigned, options.checksum == nil { return body }
    try body.digest(
      md5: options.sendsMD5, sha256: signsPayload, checksum: options.checksum)
    return body
  }

  private func signed(_ call: S3Call) throws(S3Error) -> HTTPRequest {
    let way = way(to: call.bucket)
    var path = way.path
    if let key = call.key { path += "/" + S3Encoding.path(key) }
    if path.isEmpty { path = "/" }
    var fields = call.fields
    fields.reserveCapacity(fields.count + S3Client.ownFieldCountMax)
    appendFields(of: call.body, to: &fields)
    if options.requesterPays { fields.append(HTTPField("x-amz-request-payer", "requester")) }
    if let credentials = try options.credentials.credentials(refreshing: false) {
      try authorize(&fields, credentials, call, way, path: path)
    }
    // Proxies change this one, so it is not signed.
    fields.append(HTTPField("Accept-Encoding", "identity"))
    var url = way.base + path
    if !call.query.isEmpty { url += "?" + S3Signature.canonicalQuery(call.query) }
    var request = HTTPRequest(call.method, url, fields: fields)
    request.body = call.body?.content
    request.isSentOnce = call.isSentOnce
    request.pace = call.body == nil ? nil : options.pace
    if let idleSeconds = call.idleSeconds {
      request.timeouts = HTTPTimeouts(idleSeconds: idleSeconds)
    }
    return request
  }

  /// Adds what proves who sends the fields, the path and the body.
  private func authorize(
    _ fields: inout [HTTPField], _ credentials: S3Credentials, _ call: S3Call, _ way: BucketWay,
    path: String
  ) throws(S3Error) {
    var signature = S3Signature(
      method: call.method, path: path, query: call.query, fields: [],
      payloadHash: payloadHash(call.body), region: way.region, time: now())
    fields.append(HTTPField("x-amz-date", signature.timeText))
    fields.append(HTTPField("x-amz-content-sha256", signature.payloadHash))
    if let token = credentials.sessionToken {
      fields.append(HTTPField("x-amz-security-token", token))
    }
    signature.fields = fields + [HTTPField("host", way.host)]
    do throws(CryptographyError) {
      let key = try keys.key(for: signature, secret: credentials.secret)
      let text = try signature.authorization(accessKey: credentials.accessKey, key: key)
      fields.append(HTTPField("Authorization", text))
    } catch {
      throw .cryptography(error)
    }
  }

  private func payloadHash(_ body: S3Body?) -> String {
    guard let body, body.sizeBytes > 0 else { return S3Signature.emptyHash }
    guard signsPayload, !body.isUnsigned, let sha256 = body.sha256 else {
      return S3Signature.unsignedPayload
    }
    return hex(sha256)
  }

  private func appendFields(of body: S3Body?, to fields: inout [HTTPField]) {
    guard let body else { return }
    if options.sendsMD5, let md5 = body.md5 {
      fields.append(HTTPField("content-md5", Base64.text(of: md5)))
    }
    if let algorithm = options.checksum, let checksum = body.checksum {
      fields.append(HTTPField(algorithm.fieldName, Base64.text(of: checksum)))
    }
  }
}
