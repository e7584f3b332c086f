import HTTPClient
import Platform

/// What to do about an answer of failure.
package enum S3Verdict: Sendable, Equatable {
  case again
  /// As ``again``, and fewer at a time.
  case slower
  /// The body arrived damaged: once more, and then it is a failure.
  case resendOnce
  case fixClock
  case refreshCredentials
  /// Sign for this region.
  case region(String)
  case never
}

/// What codes of S3 mean. Pure.
package enum S3Rules {
  private static let transient: Set<String> = [
    "InternalError", "RequestTimeout", "RequestTimeTooSlow",
    "OperationAborted", "ConditionalRequestConflict", "IncompleteBody", "ServiceFailure",
    "XMinioServerNotInitialized", "Busy", "TemporarilyUnavailable",
  ]
  private static let throttling: Set<String> = [
    "SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "TooManyRequests",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded", "SlowDownRead", "SlowDownWrite",
  ]
  private static let expired: Set<String> = [
    "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired",
  ]
  private static let damaged: Set<String> = [
    "BadDigest", "XAmzContentSHA256Mismatch", "InvalidDigest", "XAmzContentChecksumMismatch",
  ]
  private static let missing: Set<String> = [
    "NoSuchKey", "NoSuchBucket", "NoSuchUpload", "NoSuchVersion", "NotFound",
  ]

  /// What another attempt is worth.
  package static func verdict(_ failure: S3Failure) -> S3Verdict {
    switch failure.code {
    case "RequestTimeTooSkewed": return .fixClock
    case "AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect",
      "IllegalLocationConstraintException", "IncorrectEndpoint", "Redirect":
      return failure.region.map(S3Verdict.region) ?? .never
    case let code where expired.contains(code): return .refreshCredentials
    case let code where damaged.contains(code): return .resendOnce
    case let code where throttling.contains(code): return .slower
    case let code where transient.contains(code): return .again
    case "NotImplemented": return .never
    default: break
    }
    // Answers to HEAD have no body that could tell the code.
    if [301, 307, 400].contains(failure.status), let region = failure.region {
      return .region(region)
    }
    switch HTTPRetryVerdict(status: failure.status) {
    case .again: return .again
    case .slower: return .slower
    case .never: return .never
    }
  }

  private static let lasting: Set<String> = [
    "NoSuchBucket", "SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidSecurity",
    "InvalidToken", "AccountProblem", "AllAccessDisabled", "NotSignedUp", "InvalidBucketName",
  ]

  /// Whether the failure is one of the bucket or of the keys, not of an object.
  static func isLasting(_ failure: S3Failure) -> Bool { lasting.contains(failure.code) }

  static func kind(of failure: S3Failure) -> FailureKind {
    if missing.contains(failure.code) { return .notFound }
    switch verdict(failure) {
    case .again, .slower: return .unreachable
    default: break
    }
    switch failure.status {
    case 401, 403: return .denied
    case 404: return .notFound
    case 412: return .refused
    case 501: return .unsupported
    default: return failure.code == "NotImplemented" ? .unsupported : .failed
    }
  }

  static func hint(for failure: S3Failure) -> String? {
    switch failure.code {
    case "SignatureDoesNotMatch":
      "Check the secret key; a proxy that changes requests does this too."
    case "InvalidAccessKeyId": "Check the access key, and that it belongs to this service."
    case "AccessDenied", "AllAccessDisabled", "Forbidden":
      "Check what the keys may do with this bucket and this prefix."
    case "NoSuchBucket": "Check the name of the bucket and the region, or make the bucket."
    case "RequestTimeTooSkewed": "Set this machine's clock."
    case "ExpiredToken": "Get new keys; these are temporary and have ended."
    case "QuotaExceeded", "XMinioStorageFull", "InsufficientCapacity", "EntityTooLarge":
      "Free space or raise the quota of the store."
    case "AuthorizationHeaderMalformed", "PermanentRedirect":
      "Give the bucket's region (AWS_REGION) or the endpoint of that region."
    default: nil
    }
  }

  /// The code that a status stands for when the body tells none.
  static func code(ofStatus status: Int) -> String {
    switch status {
    case 301: "PermanentRedirect"
    case 304: "NotModified"
    case 307: "TemporaryRedirect"
    case 400: "BadRequest"
    case 401, 403: "Forbidden"
    case 404: "NotFound"
    case 405: "MethodNotAllowed"
    case 412: "PreconditionFailed"
    case 416: "InvalidRange"
    case 429: "TooManyRequests"
    case 501: "NotImplemented"
    case 503: "ServiceUnavailable"
    default: "status \(status)"
    }
  }
}
