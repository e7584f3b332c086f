package import HTTPClient
package import Platform

/// An answer of failure, as far as it can be told. All texts are the server's, made printable and
/// cut to a length.
package struct S3Failure: Sendable, Equatable {
  static let textCharactersMax = 300

  package var status: Int
  /// Such as `NoSuchKey`; of the status when the answer has no body that tells it.
  package var code: String
  package var text: String
  package var requestID: String
  /// The region that the server names.
  package var region: String?
  /// The server's clock.
  package var date: WallTime?
  /// What the server asks to wait.
  package var askedSeconds: Double?

  package init(
    status: Int, code: String, text: String = "", requestID: String = "", region: String? = nil
  ) {
    self.status = status
    self.code = code
    self.text = text
    self.requestID = requestID
    self.region = region
  }
}

/// Failures of working with S3. `subject` is a bucket, or a bucket and a key.
package enum S3Error: DroverError {
  case http(HTTPError, operation: S3Operation, subject: String)
  case service(S3Failure, operation: S3Operation, subject: String)
  /// An answer of success that is not what it has to be.
  case answer(operation: S3Operation, subject: String, problem: String)
  /// What the store says about stored bytes does not fit those that were sent or read.
  case integrity(operation: S3Operation, subject: String, problem: String)
  /// An object was replaced while it was read.
  case changed(subject: String)
  case usage(subject: String, problem: String)
  case configuration(String)
  case credentials(problem: String)
  /// The content to send could not be read, or the receiver of an object failed.
  case content(any DroverError)
  case cryptography(any DroverError)
  indirect case exhausted(attempts: Int, last: S3Error)
  /// The destination's shared budget of further attempts is used up.
  indirect case budgetSpent(last: S3Error)
  case cancelled

  package var kind: FailureKind {
    switch self {
    case .http(let error, _, _): error.kind
    case .service(let failure, _, _): S3Rules.kind(of: failure)
    case .answer, .changed: .failed
    case .integrity: .corrupt
    case .usage, .configuration: .usage
    case .credentials: .denied
    case .content(let error), .cryptography(let error): error.kind
    case .exhausted(_, let last), .budgetSpent(let last): last.kind
    case .cancelled: .cancelled
    }
  }

  package var message: String {
    switch self {
    case .http(_, let operation, let subject): "\(operation) \(subject)"
    case .service(let failure, let operation, let subject):
      "\(operation) \(subject): \(failure.code)"
        + (failure.text.isEmpty ? "" : ": \(failure.text)") + " (status \(failure.status)"
        + (failure.requestID.isEmpty ? ")" : ", request \(failure.requestID))")
    case .answer(let operation, let subject, let problem),
      .integrity(let operation, let subject, let problem):
      "\(operation) \(subject): \(problem)"
    case .changed(let subject): "\(subject) was replaced while it was read"
    case .usage(let subject, let problem): "\(subject): \(problem)"
    case .configuration(let problem): problem
    case .credentials(let problem): "no keys for the store: \(problem)"
    case .content: "the content"
    case .cryptography: "signing"
    case .exhausted(let attempts, _): "given up after \(attempts) attempts"
    case .budgetSpent: "given up, as too many requests to the store have failed"
    case .cancelled: "cancelled"
    }
  }

  package var hint: String? {
    switch self {
    case .service(let failure, _, _): S3Rules.hint(for: failure)
    case .integrity: "Something changes bytes on the way to the store or in it; do not rely on it."
    case .changed: "Run again."
    case .http(let error, _, _): error.hint
    case .credentials:
      "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE for the shared files."
    case .content(let error), .cryptography(let error): error.hint
    case .exhausted(_, let last), .budgetSpent(let last): last.hint
    default: nil
    }
  }

  package var cause: (any DroverError)? {
    switch self {
    case .http(let error, _, _): error
    case .content(let error), .cryptography(let error): error
    case .exhausted(_, let last), .budgetSpent(let last): last
    default: nil
    }
  }

  /// The failure of the service behind it, if that is what it is.
  package var failure: S3Failure? {
    switch self {
    case .service(let failure, _, _): failure
    case .exhausted(_, let last), .budgetSpent(let last): last.failure
    default: nil
    }
  }

  package var isNotFound: Bool { kind == .notFound }

  /// Whether every other call of the same bucket with the same keys fails, too.
  package var isLasting: Bool {
    switch self {
    case .service(let failure, _, _): S3Rules.isLasting(failure)
    case .http(let error, _, _): error.isLasting
    case .credentials, .configuration: true
    case .exhausted(_, let last), .budgetSpent(let last): last.isLasting
    default: false
    }
  }
  /// Whether a condition of the request did not hold.
  package var isConditionFailed: Bool { failure?.status == 412 || failure?.status == 304 }
}

/// The calls of the service, for messages and counts.
package enum S3Operation: String, Sendable, CaseIterable, CustomStringConvertible {
  case headObject, getObject, putObject, copyObject, deleteObject, deleteObjects
  case listObjects, createUpload, uploadPart, completeUpload, abortUpload, listUploads, listParts
  case headBucket, createBucket, copyPart

  package var description: String { rawValue }
}
