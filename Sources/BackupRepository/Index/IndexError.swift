import Cryptography
import Platform

/// Failures of reading, keeping and asking the index.
enum IndexError: DroverError {
  /// An index file is not what the format says; `position` is a byte of its JSON text.
  case corrupt(IndexID, reason: String, position: Int)
  /// An index file could not be had from the store, opened or decompressed.
  case unreadable(IndexID, cause: any DroverError)
  /// Reading an index file failed in a way that has no kind of its own.
  case failed(IndexID, reason: String)
  /// A file of the local index cache is damaged, of another repository or another version.
  case cacheDamaged(path: String, reason: String)
  /// A system call on the local index cache or its scratch file.
  case cache(PlatformError)
  case cryptography(CryptographyError)
  /// More packs or blobs than the tables can number.
  case tooLarge(what: String, limit: Int)
  /// Another thread of the same work has failed; its error is the one to show.
  case abandoned

  var kind: FailureKind {
    switch self {
    case .corrupt: .corrupt
    case .unreadable(_, let cause): cause.kind
    case .failed: .failed
    case .cacheDamaged: .corrupt
    case .cache(let error): error.kind
    case .cryptography(let error): error.kind
    case .tooLarge: .unsupported
    case .abandoned: .cancelled
    }
  }

  var message: String {
    switch self {
    case .corrupt(let id, let reason, let position):
      "index file \(id.short) is damaged: \(reason) (near byte \(position) of its text)"
    case .unreadable(let id, _): "index file \(id.short) cannot be read"
    case .failed(let id, let reason): "index file \(id.short) cannot be read: \(reason)"
    case .cacheDamaged(let path, let reason): "index cache \(printable(path.utf8)): \(reason)"
    case .cache: "the local index cache failed"
    case .cryptography: "the local index cache cannot be authenticated"
    case .tooLarge(let what, let limit): "the index has more than \(limit) \(what)"
    case .abandoned: "loading the index was given up"
    }
  }

  var hint: String? {
    switch self {
    case .corrupt:
      "Check the repository, then let `repair index` write the index anew from the packs."
    case .cacheDamaged: "The file has been dropped; run again, it is made anew."
    case .tooLarge: "Prune the repository, or divide it."
    case .cache(let error): error.hint
    default: nil
    }
  }

  var cause: (any DroverError)? {
    switch self {
    case .unreadable(_, let cause): cause
    case .cache(let error): error
    case .cryptography(let error): error
    default: nil
    }
  }
}
