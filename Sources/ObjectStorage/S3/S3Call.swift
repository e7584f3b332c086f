import HTTPClient
import Platform

/// One request before it is signed.
struct S3Call {
  var method: HTTPMethod
  var bucket: String
  /// Nil for the bucket itself.
  var key: String?
  var query: [(name: String, value: String)] = []
  var fields: [HTTPField] = []
  var body: S3Body?
  var receiver: HTTPReceiver = .collect(byteCountMax: 16 << 20)
  /// For what the service works on for long without a word.
  var idleSeconds: Double?
  /// For what does something else when it is done twice: each attempt is one request.
  var isSentOnce = false

  init(_ method: HTTPMethod, _ bucket: String, _ key: String? = nil) {
    self.method = method
    self.bucket = bucket
    self.key = key
  }

  mutating func add(_ name: String, _ value: String?) {
    if let value { fields.append(HTTPField(name, value)) }
  }

  mutating func ask(_ name: String, _ value: String?) {
    if let value { query.append((name, value)) }
  }
}

/// Where one call stands among its attempts.
struct S3Tries {
  var attempt = 1
  /// Whether an earlier attempt may have taken effect without its answer arriving.
  var isInDoubt = false
  var hasFixedClock = false
  var hasRefreshed = false
  var hasMoved = false
  var hasResent = false
}

extension S3Error {
  /// Gives the failures of content and receivers back as what they are.
  static func from(
    _ error: HTTPError, _ operation: S3Operation, _ subject: String
  ) -> S3Error {
    switch error {
    case .bodyFailed(let cause), .receiverFailed(let cause): (cause as? S3Error) ?? .content(cause)
    case .bodyEnded(let read, let expected):
      .content(ObjectStoreError.bodyEnded(read: read, expected: expected))
    case .cancelled: .cancelled
    default: .http(error, operation: operation, subject: subject)
    }
  }

  /// Attempts that are worth while; nil for those that the policy allows.
  var attemptsMax: Int? {
    if case .http(let error, _, _) = self { error.attemptsMax } else { nil }
  }

  /// Whether the request may have taken effect.
  var leavesDoubt: Bool {
    switch self {
    case .http(let error, _, _):
      switch error {
      case .unresolved, .noSuchHost, .unreachable, .proxyFailed, .tlsFailed, .tlsRefused: false
      default: true
      }
    case .service(let failure, _, _): failure.status >= 500 || failure.status == 200
    default: false
    }
  }
}

/// How many requests may be under way: fewer after the service asked for less, and slowly more
/// again.
final class S3Gate: @unchecked Sendable {
  private static let successesForOneMore = 50

  private let countMax: Int
  private let lock = Lock()
  private let freed: Condition
  private var limit: Int
  private var used = 0
  private var successes = 0

  init(_ countMax: Int) {
    precondition(countMax > 0, "a store needs a connection")
    self.countMax = countMax
    limit = countMax
    freed = Condition(lock)
  }

  var limitNow: Int { lock.withLock { limit } }

  func enter() {
    lock.withLock {
      while used >= limit { freed.wait() }
      used += 1
    }
  }

  func leave() {
    lock.withLock {
      used -= 1
      freed.signal()
    }
  }

  func succeed() {
    lock.withLock {
      guard limit < countMax else { return }
      successes += 1
      guard successes >= S3Gate.successesForOneMore else { return }
      successes = 0
      limit += 1
      freed.signal()
    }
  }

  func slowDown() {
    lock.withLock {
      limit = max(1, limit / 2)
      successes = 0
    }
  }
}
