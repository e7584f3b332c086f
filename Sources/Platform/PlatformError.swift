import Glibc

/// A system call that failed: which one, on what, and the `errno` it left.
package struct PlatformError: DroverError, Equatable {
  package let call: StaticString
  package let subject: String
  package let errno: Int32

  package init(_ call: StaticString, _ subject: String, errno: Int32) {
    self.call = call
    self.subject = subject
    self.errno = errno
  }

  /// Captures `errno` of the call that has just failed.
  package static func last(_ call: StaticString, _ subject: String = "") -> PlatformError {
    PlatformError(call, subject, errno: Glibc.errno)
  }

  package static func == (a: PlatformError, b: PlatformError) -> Bool {
    a.errno == b.errno && a.subject == b.subject
  }

  package var kind: FailureKind {
    switch errno {
    case ENOENT: .notFound
    case EACCES, EPERM, EROFS: .denied
    case EOPNOTSUPP, ENOSYS: .unsupported
    case ECONNREFUSED, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, EPIPE: .unreachable
    default: .failed
    }
  }

  package var message: String {
    let reason = PlatformError.reason(of: errno)
    return subject.isEmpty ? "\(call): \(reason)" : "\(subject): \(reason) (\(call))"
  }

  package var hint: String? {
    switch errno {
    case ENOSPC: "Free space on the target, or choose a larger one; a rerun goes on."
    case EROFS: "Mount the target read-write."
    case EMFILE, ENFILE: "Raise the limit of open files (ulimit -n)."
    default: nil
    }
  }

  /// The text of `strerror_r`.
  package static func reason(of errno: Int32) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      guard let base = buffer.baseAddress, strerror_r(errno, base, 256) == 0 else {
        return "error \(errno)"
      }
      return String(cString: base)
    }
  }
}

/// Repeats a call that a signal interrupted.
package func retryingOnInterrupt<R: SignedInteger>(_ body: () -> R) -> R {
  while true {
    let result = body()
    if result >= 0 || Glibc.errno != EINTR { return result }
  }
}
