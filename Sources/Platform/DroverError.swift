/// What a failure means to the caller: it alone decides about a retry and about the exit code.
package enum FailureKind: String, Sendable, CaseIterable {
  case usage
  case notFound
  case wrongKey
  case locked
  case denied
  /// A transient failure of the way to the other side; the only kind that is tried again.
  case unreachable
  case corrupt
  case unsupported
  /// The work was done, but some entries could not be read or applied.
  case partial
  case cancelled
  /// A guard refused an operation that would have destroyed data.
  case refused
  /// A comparison found a difference.
  case different
  /// A read, write or protocol failure that a retry does not cure by itself.
  case failed
  case internalFault
}

/// Every error that crosses a target of Drover.
package protocol DroverError: Error, Sendable, CustomStringConvertible {
  var kind: FailureKind { get }
  /// One line for people: what failed, on what, why. Never holds a secret.
  var message: String { get }
  /// What to do next, when that is known.
  var hint: String? { get }
  var cause: (any DroverError)? { get }
  /// The guard that has ended the work, when one has.
  var guardName: GuardName? { get }
}

extension DroverError {
  package var hint: String? { nil }
  package var cause: (any DroverError)? { nil }
  package var guardName: GuardName? { nil }

  /// The message with the messages of its causes.
  package var description: String {
    guard let cause else { return message }
    return "\(message): \(cause.description)"
  }
}
