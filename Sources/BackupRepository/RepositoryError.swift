package import Compression
package import Cryptography
package import Platform

/// What a piece of a repository is, for messages and for what can be done about its damage.
package enum RepositoryPart: String, Sendable, CaseIterable {
  case config
  case key = "key file"
  case pack
  case packHeader = "pack header"
  case index = "index file"
  case snapshot
  case lock
  case tree
  case data = "data blob"

  /// What to do when such a piece is damaged.
  var remedy: String {
    switch self {
    case .config:
      "Put back a copy of the file `config`; without it the repository cannot be read."
    case .key: "Open the repository with another key, or put back a copy of the key file."
    case .pack, .packHeader, .tree, .data:
      "Run `check --read-data` to find the extent, then `repair packs` and a new backup."
    case .index: "Run `repair index`: it makes the index anew from the packs."
    case .snapshot: "Forget this snapshot; the others are not concerned."
    case .lock: "Remove it with `unlock` when no other program uses the repository."
    }
  }
}

/// Failures of a backup repository.
package enum RepositoryError: DroverError {
  /// There is no repository in that place.
  case noRepository(place: String)
  /// A repository was to be made where one is.
  case exists(place: String, found: String)
  /// No key file opens with the password.
  case wrongKey(place: String, keyCount: Int)
  /// Another program holds a lock that excludes this work.
  case locked(place: String, holder: String)
  /// Something stored is not what it has to be. `place` names the piece (an identifier, a path);
  /// empty while only the bytes are known.
  case corrupt(RepositoryPart, place: String, reason: String)
  /// A blob, pack or snapshot that something refers to is not there.
  case missing(RepositoryPart, place: String)
  /// A form of the format that this program does not read or write.
  case unsupported(what: String, place: String)
  /// The store or the system does not let us.
  case denied(operation: String, place: String)
  /// A guard kept data from being destroyed.
  case refused(reason: String, hint: String)
  /// One of the guards that stand in the table of guards.
  case guarded(GuardName, reason: String, hint: String)
  /// A wrong argument, option or pattern.
  case usage(String)
  /// More than a named limit.
  case tooLarge(what: String, limit: Int)
  /// What was asked for is not in the repository.
  case notFound(what: String, hint: String)
  /// The work was done as far as it went; `problems` names what is lacking.
  case incomplete(work: String, problems: String, kind: FailureKind)
  /// The work was stopped from outside.
  case cancelled
  case store(any DroverError)
  case cryptography(CryptographyError, what: String)
  case compression(CompressionError, what: String)
  case platform(PlatformError)
  /// Another target failed in a way that its own words describe best.
  case other(any DroverError)

  package var kind: FailureKind {
    switch self {
    case .noRepository, .missing, .notFound: .notFound
    case .incomplete(_, _, let kind): kind
    case .exists, .refused, .guarded: .refused
    case .wrongKey: .wrongKey
    case .locked: .locked
    case .corrupt: .corrupt
    case .unsupported, .tooLarge: .unsupported
    case .denied: .denied
    case .usage: .usage
    case .cancelled: .cancelled
    case .store(let error), .other(let error): error.kind
    case .cryptography(let error, _): error.kind
    case .compression(let error, _): error.kind
    case .platform(let error): error.kind
    }
  }

  package var message: String {
    switch self {
    case .noRepository(let place): "there is no repository at \(place)"
    case .exists(let place, let found): "there is a repository at \(place) already: \(found)"
    case .wrongKey(let place, let count):
      "the password opens none of the \(count) keys of the repository at \(place)"
    case .locked(let place, let holder): "the repository at \(place) is locked by \(holder)"
    case .corrupt(let part, let place, let reason):
      "\(RepositoryError.name(part, place)) is damaged: \(reason)"
    case .missing(let part, let place): "\(RepositoryError.name(part, place)) is missing"
    case .unsupported(let what, let place):
      place.isEmpty ? "\(what) is not supported" : "\(what) is not supported (\(place))"
    case .denied(let operation, let place): "\(operation) is not permitted at \(place)"
    case .refused(let reason, _): reason
    case .guarded(let name, let reason, _): name.prefix + reason
    case .usage(let reason): reason
    case .tooLarge(let what, let limit): "\(what): more than the limit of \(limit)"
    case .notFound(let what, _): what
    case .incomplete(let work, let problems, _): "\(work) is incomplete: \(problems)"
    case .cancelled: "the work was cancelled"
    case .store: "the store of the repository failed"
    case .cryptography(_, let what): "\(what) cannot be opened or sealed"
    case .compression(_, let what): "\(what) cannot be compressed or decompressed"
    case .platform(let error): error.message
    case .other(let error): error.message
    }
  }

  package var hint: String? {
    switch self {
    case .noRepository: "Check the address, or make a repository with `init`."
    case .exists: "Choose another place, or use the repository that is there."
    case .wrongKey: "Check the password or the password file, and that it is for this repository."
    case .locked: "Wait until the other program is done; `unlock` removes locks of dead programs."
    case .corrupt(let part, _, _): part.remedy
    case .missing(.snapshot, _): "`snapshots` lists those that exist."
    case .missing(let part, _): part.remedy
    case .unsupported: "Use a program version that knows this form, or another repository."
    case .denied: "Check the credentials and what they allow."
    case .refused(_, let hint), .guarded(_, _, let hint), .notFound(_, let hint): hint
    case .incomplete(_, _, .corrupt): RepositoryPart.data.remedy
    case .incomplete: "Remedy what is told of each, then run again."
    case .usage, .tooLarge, .cancelled: nil
    case .store(let error), .other(let error): error.hint
    case .cryptography(let error, _): error.hint
    case .compression(let error, _): error.hint
    case .platform(let error): error.hint
    }
  }

  package var guardName: GuardName? {
    switch self {
    case .guarded(let name, _, _): name
    case .store(let error), .other(let error): error.guardName
    default: nil
    }
  }

  package var cause: (any DroverError)? {
    switch self {
    case .store(let error): error
    case .other(let error): error.cause
    case .cryptography(let error, _): error
    case .compression(let error, _): error
    default: nil
    }
  }

  /// The same failure with the name of the damaged piece, when only its bytes were known so far.
  package func located(at place: String) -> RepositoryError {
    switch self {
    case .corrupt(let part, "", let reason): .corrupt(part, place: place, reason: reason)
    case .unsupported(let what, ""): .unsupported(what: what, place: place)
    default: self
    }
  }

  private static func name(_ part: RepositoryPart, _ place: String) -> String {
    place.isEmpty ? part.rawValue : "\(part.rawValue) \(place)"
  }
}
