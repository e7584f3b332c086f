import COpenSSL
import Glibc
import Platform

/// What the calling thread's OpenSSL error queue held after a failed call.
struct OpenSSLFailure {
  /// Reason codes of the library `SSL`, oldest first; other libraries' entries are in the text
  /// alone.
  private(set) var reasons: [Int32] = []
  private(set) var text = ""

  /// Takes all entries off the queue (`ERR_get_error`), so that the next call starts with an empty
  /// one.
  static func drain() -> OpenSSLFailure {
    var failure = OpenSSLFailure()
    while true {
      let code = ERR_get_error()
      if code == 0 { break }
      if ERR_GET_LIB(code) == ERR_LIB_SSL { failure.reasons.append(ERR_GET_REASON(code)) }
      let reason = unsafe ERR_reason_error_string(code).map { unsafe String(cString: $0) }
      let piece = reason ?? "error \(String(code, radix: 16))"
      failure.text += failure.text.isEmpty ? piece : ", \(piece)"
    }
    if failure.text.isEmpty { failure.text = "no reason given" }
    return failure
  }

  func contains(_ reason: Int32) -> Bool { reasons.contains(reason) }

  func contains(anyOf candidates: [Int32]) -> Bool { reasons.contains { candidates.contains($0) } }

  /// An alert of the peer: OpenSSL reports them as reason 1000 + the alert's number (RFC 8446, 6).
  var peerAlert: Int32? {
    reasons.first { $0 > SSL_AD_REASON_OFFSET && $0 < SSL_AD_REASON_OFFSET + 256 }
      .map { $0 - SSL_AD_REASON_OFFSET }
  }
}
