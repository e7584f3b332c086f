import CCurl
import Glibc

/// One easy handle of libcurl with the connections that it keeps. One thread at a time.
@safe final class CurlHandle: @unchecked Sendable {
  let raw: UnsafeMutableRawPointer
  private let reason: UnsafeMutablePointer<CChar>
  private var fields: UnsafeMutablePointer<curl_slist>?

  /// - Throws: ``HTTPError/library(call:reason:)``.
  init() throws(HTTPError) {
    guard globalCode == CURLE_OK, let raw = unsafe curl_easy_init() else {
      throw .library(call: "curl_easy_init", reason: CurlHandle.text(of: globalCode))
    }
    unsafe self.raw = unsafe raw
    unsafe reason = .allocate(capacity: Int(CURL_ERROR_SIZE))
    unsafe reason.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
  }

  deinit {
    unsafe curl_easy_cleanup(raw)
    unsafe curl_slist_free_all(fields)
    unsafe reason.deallocate()
  }

  /// Forgets all settings; connections stay.
  func reset() {
    unsafe curl_easy_reset(raw)
    unsafe curl_slist_free_all(fields)
    unsafe fields = nil
    unsafe reason.pointee = 0
    unsafe set(CURLOPT_ERRORBUFFER, pointer: unsafe UnsafeMutableRawPointer(reason))
  }

  func set(_ option: CURLoption, _ value: Int) {
    let code = unsafe drover_curl_set_long(raw, option, value)
    precondition(code == CURLE_OK, "libcurl refuses option \(option.rawValue)")
  }

  func set(_ option: CURLoption, _ value: Bool) { set(option, value ? 1 : 0) }

  func set(_ option: CURLoption, size: Int64) {
    let code = unsafe drover_curl_set_size(raw, option, curl_off_t(size))
    precondition(code == CURLE_OK, "libcurl refuses option \(option.rawValue)")
  }

  func set(_ option: CURLoption, pointer: UnsafeMutableRawPointer) {
    let code = unsafe drover_curl_set_pointer(raw, option, pointer)
    precondition(code == CURLE_OK, "libcurl refuses option \(option.rawValue)")
  }

  /// - Throws: ``HTTPError/library(call:reason:)``: texts come from outside.
  func set(_ option: CURLoption, text: String) throws(HTTPError) {
    let code = unsafe drover_curl_set_text(raw, option, text)
    guard code == CURLE_OK else {
      throw .library(call: "curl_easy_setopt", reason: CurlHandle.text(of: code))
    }
  }

  /// Adds a line to the header of the request.
  func append(line: String) throws(HTTPError) {
    guard let longer = unsafe curl_slist_append(fields, line) else {
      throw .library(call: "curl_slist_append", reason: CurlHandle.text(of: CURLE_OUT_OF_MEMORY))
    }
    unsafe fields = longer
  }

  func useLines() {
    guard let fields = unsafe fields else { return }
    unsafe set(CURLOPT_HTTPHEADER, pointer: UnsafeMutableRawPointer(fields))
  }

  /// What the last transfer says about its failure.
  func failureText(_ code: CURLcode) -> String {
    let text = unsafe String(cString: reason)
    return text.isEmpty ? CurlHandle.text(of: code) : text
  }

  static func text(of code: CURLcode) -> String {
    guard let text = unsafe curl_easy_strerror(code) else { return "error \(code.rawValue)" }
    return unsafe String(cString: text)
  }
}

/// Prepares the library for the process, once. A write to a connection that is gone must fail, not
/// kill, also inside OpenSSL.
private let globalCode: CURLcode = {
  signal(SIGPIPE, SIG_IGN)
  return curl_global_init(drover_curl_global_flags())
}()

/// The version of the linked libcurl and what it was built with.
package var curlVersion: String {
  guard let text = unsafe curl_version() else { return "libcurl" }
  return unsafe String(cString: text)
}
