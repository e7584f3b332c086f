package import Manifests
package import Platform

/// Failures of the state directory, and of talking to the daemon that keeps it.
package enum StateError: DroverError {
  /// The directory or a file in it cannot be read or written.
  case directory(PlatformError)
  /// There is no such directory, and nothing is made by asking.
  case noDirectory(path: String)
  /// Another process keeps the directory and answers no question.
  case inUse(path: String, processID: String?)
  case notFound(resource: String, name: String)
  /// No such kind of object.
  case noKind(String, suggestion: String?)
  /// A name that cannot be stored.
  case badName(String)
  /// Everything that is wrong in given manifests.
  case invalid([Problem])
  /// It cannot be done to this object as it stands.
  case refused(String, hint: String?)
  /// What came over the socket is no request, or no answer.
  case badMessage(String)
  /// The connection to the daemon broke.
  case connection(PlatformError)
  /// What the daemon answered.
  case answered(kind: FailureKind, message: String, hint: String?)

  package var kind: FailureKind {
    switch self {
    case .directory(let error): error.kind
    case .noDirectory, .notFound: .notFound
    case .inUse: .locked
    case .noKind, .badName, .invalid: .usage
    case .refused: .refused
    case .badMessage: .corrupt
    case .connection: .unreachable
    case .answered(let kind, _, _): kind
    }
  }

  package var message: String {
    switch self {
    case .directory(let error): "the state directory: \(error.message)"
    case .noDirectory(let path): "there is no state directory \(path)"
    case .inUse(let path, let processID):
      "the state directory \(path) is in use"
        + (processID.map { " by process \($0)" } ?? "")
    case .notFound(let resource, let name): "\(resource) \"\(name)\" not found"
    case .noKind(let word, let suggestion):
      "the server doesn't have a resource type \"\(word)\""
        + (suggestion.map { "; did you mean \"\($0)\"?" } ?? "")
    case .badName(let text): text
    case .invalid(let problems): problems.map(\.description).joined(separator: "\n")
    case .refused(let text, _): text
    case .badMessage(let reason):
      "the daemon and this command do not understand each other: \(reason)"
    case .connection(let error): "the connection to the daemon broke: \(error.message)"
    case .answered(_, let message, _): message
    }
  }

  package var hint: String? {
    switch self {
    case .directory(let error): error.hint
    case .noDirectory: "Name it with --state or DROVER_STATE, or make it with `drover apply`."
    case .inUse: "Wait until that process is done, or end it."
    case .refused(_, let hint), .answered(_, _, let hint): hint
    default: nil
    }
  }

  package var problems: [Problem] {
    if case .invalid(let problems) = self { problems } else { [] }
  }
}

/// Bounds of what is kept in the state directory, and of what is said over its socket.
package enum StateLimits {
  /// Entries of one directory of the tree.
  static let directoryEntryCountMax = 20_000
  /// A stored object; Kubernetes refuses more than 1.5 MiB.
  static let objectSizeBytesMax = 2 << 20
  static let statusSizeBytesMax = 1 << 20
  /// A name has to leave room for the longest suffix of the files beside its own.
  static let nameSizeBytesMax = 240
  /// One request: manifests of 8 MiB, escaped.
  package static let requestSizeBytesMax = 10 << 20
  /// One answer: all objects with their status.
  static let answerSizeBytesMax = 256 << 20
  /// Nesting of a message: that of a manifest, and what is around it.
  static let messageDepthMax = 80
  static let connectionCountMax = 48
  /// How long half a request is waited for, or an answer nobody takes.
  static let connectionSeconds = 30
  static let requestKeyCountMax = 10_000
  static let requestFileCountMax = 1000
  /// Rotated at this size, so that twice as much stands there.
  static let runsSizeBytesMax = 256 << 10
  static let eventsSizeBytesMax = 64 << 10
  static let logSizeBytesMax = 128 << 10
  /// Records given to a reader: the newest.
  static let runCountMax = 1000
  static let eventCountMax = 1000
  /// One line of a file of records.
  static let recordSizeBytesMax = 16 << 10
  /// A message in a record.
  static let recordTextSizeBytesMax = 1024
}
