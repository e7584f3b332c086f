import COpenSSL
package import Platform

/// Failures of the cryptographic library.
package enum CryptographyError: DroverError, Equatable {
  /// A key of the wrong length, in bytes.
  case keyLength(name: String, expected: Int, actual: Int)
  /// OpenSSL has no such algorithm, or gave out no memory for it.
  case unavailable(algorithm: String, reason: String)

  package var kind: FailureKind {
    switch self {
    case .keyLength: .internalFault
    case .unavailable: .unsupported
    }
  }

  package var message: String {
    switch self {
    case .keyLength(let name, let expected, let actual):
      "the key for \(name) has \(actual) bytes instead of \(expected)"
    case .unavailable(let algorithm, let reason):
      "OpenSSL cannot provide \(algorithm): \(reason)"
    }
  }

  package var hint: String? {
    switch self {
    case .keyLength: nil
    case .unavailable: "Check the OpenSSL configuration (OPENSSL_CONF, FIPS mode) of this host."
    }
  }

  /// Empties OpenSSL's error queue into an ``unavailable(algorithm:reason:)``.
  static func fromQueue(_ algorithm: String) -> CryptographyError {
    let code = ERR_get_error()
    ERR_clear_error()
    guard code != 0 else { return .unavailable(algorithm: algorithm, reason: "no reason given") }
    let reason = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      guard let base = buffer.baseAddress else { return "error \(code)" }
      unsafe ERR_error_string_n(code, base, 256)
      return unsafe String(cString: base)
    }
    return .unavailable(algorithm: algorithm, reason: reason)
  }
}
