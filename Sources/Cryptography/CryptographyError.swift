import COpenSSL
package import Platform

/// Failures of the cryptographic library.
package enum CryptographyError: DroverError, Equatable {
  /// A key of the wrong length, in bytes.
  case keyLength(name: String, expected: Int, actual: Int)
  /// OpenSSL has no such algorithm, or gave out no memory for it.
  case unavailable(algorithm: String, reason: String)
  /// A buffer for sealed or opened bytes has not exactly the size of the result.
  case room(expected: Int, actual: Int)
  /// Sealed bytes that are shorter than nonce and tag.
  case sealedTooShort(byteCount: Int)
  /// Sealed bytes under the nonce that is never used.
  case zeroNonce
  /// The tag does not fit: damaged bytes, or another key.
  case authenticationFailed
  /// Parameters of a key derivation outside ``ScryptLimits``.
  case derivationParameters(reason: String)

  package var kind: FailureKind {
    switch self {
    case .keyLength, .room: .internalFault
    case .unavailable, .derivationParameters: .unsupported
    case .sealedTooShort, .zeroNonce, .authenticationFailed: .corrupt
    }
  }

  package var message: String {
    switch self {
    case .keyLength(let name, let expected, let actual):
      "the key for \(name) has \(actual) bytes instead of \(expected)"
    case .unavailable(let algorithm, let reason):
      "OpenSSL cannot provide \(algorithm): \(reason)"
    case .room(let expected, let actual):
      "the buffer for sealing has \(actual) bytes instead of \(expected)"
    case .sealedTooShort(let byteCount):
      "sealed data has \(byteCount) bytes, at least \(Sealer.overheadByteCount) are needed"
    case .zeroNonce:
      "sealed data has a nonce of zeros, which no program writes"
    case .authenticationFailed:
      "sealed data is damaged, or was sealed under another key"
    case .derivationParameters(let reason):
      "a key file asks for scrypt with \(reason)"
    }
  }

  package var hint: String? {
    switch self {
    case .keyLength, .room: nil
    case .unavailable: "Check the OpenSSL configuration (OPENSSL_CONF, FIPS mode) of this host."
    case .sealedTooShort, .zeroNonce, .authenticationFailed:
      "Check the repository; restore the damaged file from another copy if there is one."
    case .derivationParameters:
      "Remove the key file if nobody made it with these parameters on purpose."
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
