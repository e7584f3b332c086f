import COpenSSL

/// The version text of the linked OpenSSL, such as `OpenSSL 3.0.22 …`.
package var openSSLVersion: String {
  guard let text = unsafe OpenSSL_version(OPENSSL_VERSION) else { return "OpenSSL" }
  return unsafe String(cString: text)
}
