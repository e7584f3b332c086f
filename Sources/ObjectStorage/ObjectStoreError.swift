import Glibc
package import Platform

/// Failures of stores and of what stands before them. `key` and `store` are texts for people.
package enum ObjectStoreError: DroverError {
  case notFound(key: String, store: String)
  case invalidKey(String, problem: String)
  case invalidRange(key: String, offset: Int64)
  case tooLarge(key: String, sizeBytes: Int64, sizeBytesMax: Int)
  /// Something else than a file stands under the key.
  case notAnObject(key: String, store: String)
  /// A symbolic link stands in the key's path; links below the root are not followed.
  case symbolicLink(key: String, store: String)
  /// The directory of a store cannot be opened.
  case cannotOpen(store: String, PlatformError)
  case notADirectory(store: String)
  case full(key: String, store: String, PlatformError)
  case system(StoreOperation, key: String, store: String, PlatformError)
  /// A service behind the store failed, or the way to it.
  indirect case service(StoreOperation, key: String, store: String, any DroverError)
  case bodyEnded(read: Int64, expected: Int64)
  /// The store stayed unreachable for all the attempts.
  indirect case exhausted(attempts: Int, last: ObjectStoreError)
  case cancelled
  /// A fault that a test asked for; `number` counts the store's operations from 1.
  case injected(StoreOperation, key: String, number: Int, kind: FailureKind)
  /// The fault-injecting store takes no calls any more: its process counts as dead.
  case killed(StoreOperation, key: String)

  /// Translates a failed system call.
  static func from(
    _ error: PlatformError, _ operation: StoreOperation, _ key: String, _ store: String
  ) -> ObjectStoreError {
    switch error.errno {
    case ENOENT, ENOTDIR:
      operation == .put
        ? .system(operation, key: key, store: store, error) : .notFound(key: key, store: store)
    case ENOSPC, EDQUOT: .full(key: key, store: store, error)
    case ELOOP: .symbolicLink(key: key, store: store)
    default: .system(operation, key: key, store: store, error)
    }
  }
}

extension ObjectStoreError {
  package var kind: FailureKind {
    switch self {
    case .notFound: .notFound
    case .invalidKey, .invalidRange: .usage
    case .tooLarge: .corrupt
    case .notAnObject, .symbolicLink, .full, .bodyEnded, .killed: .failed
    case .notADirectory: .usage
    case .cannotOpen(_, let error), .system(_, _, _, let error): error.kind
    case .service(_, _, _, let error): error.kind
    case .exhausted(_, let last): last.kind
    case .cancelled: .cancelled
    case .injected(_, _, _, let kind): kind
    }
  }

  package var message: String {
    switch self {
    case .notFound(let key, let store): "\(store): there is no \(key)"
    case .invalidKey(let key, let problem): "\(key) cannot be the key of an object: \(problem)"
    case .invalidRange(let key, let offset): "\(key): there is no byte at offset \(offset)"
    case .tooLarge(let key, let size, let limit):
      "\(key) has \(size) bytes, more than the \(limit) that such an object may have"
    case .notAnObject(let key, let store): "\(store): \(key) is not a regular file"
    case .symbolicLink(let key, let store): "\(store): a symbolic link stands in the way of \(key)"
    case .cannotOpen(let store, _): "cannot open the store \(store)"
    case .notADirectory(let store): "\(store) exists and is not a directory"
    case .full(let key, let store, _): "\(store): there is no room for \(key)"
    case .system(let operation, let key, let store, _),
      .service(let operation, let key, let store, _):
      "\(store): \(operation) \(key)"
    case .bodyEnded(let read, let expected):
      "the content to store ended after \(read) of \(expected) bytes"
    case .exhausted(let attempts, _): "given up after \(attempts) attempts"
    case .cancelled: "cancelled"
    case .injected(let operation, let key, let number, _):
      "injected fault: \(operation) \(key), operation \(number)"
    case .killed(let operation, let key): "injected end of the process before \(operation) \(key)"
    }
  }

  package var hint: String? {
    switch self {
    case .tooLarge: "The store is damaged, or it is not what it is taken for."
    case .symbolicLink: "Only the root of a store may be a link: name the real directory, or mount."
    case .cannotOpen(_, let error) where error.errno == ENOENT:
      "Check the path; the store's volume may not be mounted."
    case .full: "Free space or raise the quota, then run again; nothing stored so far is lost."
    case .bodyEnded: "The source became shorter while it was read; run again."
    case .cannotOpen(_, let error), .system(_, _, _, let error): error.hint
    case .service(_, _, _, let error): error.hint
    case .exhausted(_, let last): last.hint ?? "Check the way to the store, then run again."
    default: nil
    }
  }

  package var cause: (any DroverError)? {
    switch self {
    case .cannotOpen(_, let error), .full(_, _, let error), .system(_, _, _, let error): error
    case .service(_, _, _, let error): error
    case .exhausted(_, let last): last
    default: nil
    }
  }
}
