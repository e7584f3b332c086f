import CCurl
import Platform

/// Blocking requests over HTTP/1.1, from any thread. Redirects are never followed and nothing is
/// tried again: both are the caller's decisions.
///
/// Each request takes a handle from a pool, the last one used first, so that its connection is
/// likely to be still open. Libcurl itself sends a request again on a fresh connection when a kept
/// one turns out to be closed before any answer.
@safe package final class HTTPClient: @unchecked Sendable {
  /// Buffers of libcurl in each direction, where a body of some size passes. They are made for each
  /// request.
  private static let bufferSizeBytes = 256 << 10
  /// For headers and short answers; the least that libcurl takes for what goes out.
  private static let bufferSizeBytesMin = 16 << 10
  /// Libcurl sends a body that lies in memory with its header when it is shorter, 64 KiB.
  private static let postByteCountMax = 32 << 10
  /// How long a server may take to give its leave for a body.
  private static let continueMilliseconds = 1000

  private let options: HTTPOptions
  // Not changed after `init`: libcurl is lent the bytes.
  private let certificates: UnsafeMutableRawBufferPointer
  private let lock = Lock()
  private var idle: [CurlHandle] = []
  private var givesLeave = true

  package init(_ options: HTTPOptions = HTTPOptions()) {
    self.options = options
    unsafe certificates = .allocate(byteCount: options.certificates.count, alignment: 1)
    unsafe certificates.copyBytes(from: options.certificates)
  }

  deinit {
    idle = []
    unsafe certificates.deallocate()
  }

  /// Sends a request and waits for its answer, whatever its status.
  ///
  /// - Throws: ``HTTPError``; the connection is given up then.
  package func perform(
    _ request: HTTPRequest, _ receiver: HTTPReceiver = .collect(byteCountMax: 1 << 20)
  ) throws(HTTPError) -> HTTPResponse {
    if let problem = request.problem {
      throw .invalidRequest(server: request.server, problem: problem)
    }
    if options.isCancelled() { throw .cancelled }
    let handle = try takeHandle()
    let transfer = CurlTransfer(request, options, receiver)
    let asksLeave = try prepare(handle, request, receiver)
    let installed = transfer.install(in: handle)
    guard installed == CURLE_OK else {
      throw .library(call: "curl_easy_setopt", reason: CurlHandle.text(of: installed))
    }
    let code = withExtendedLifetime(transfer) { unsafe curl_easy_perform(handle.raw) }
    if asksLeave, code == CURLE_OK, !transfer.hadContinue, transfer.head.isSuccess {
      lock.withLock { givesLeave = false }
    }
    let result = Result { () throws(HTTPError) in try finish(code, transfer, handle) }
    if code == CURLE_OK || transfer.isStopped { giveBack(handle) }
    return try result.get()
  }

  private func finish(
    _ code: CURLcode, _ transfer: CurlTransfer, _ handle: CurlHandle
  ) throws(HTTPError) -> HTTPResponse {
    if let failure = transfer.failure { throw failure }
    // A server that refuses a body may close the connection behind its answer while the body still
    // goes out.
    let refused =
      (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR) && transfer.isHeadWhole
      && transfer.head.status >= 300
    guard code == CURLE_OK || transfer.isStopped || refused else {
      throw .from(code, transfer, reason: handle.failureText(code))
    }
    // Libcurl takes the end of a connection for the end of a header.
    guard transfer.isHeadWhole else {
      throw .connectionLost(server: transfer.server, reason: "the header was cut short")
    }
    return HTTPResponse(
      head: transfer.head, body: transfer.collected,
      receivedByteCount: transfer.receivedByteCount, isWhole: code == CURLE_OK)
  }

  // MARK: Handles

  private func takeHandle() throws(HTTPError) -> CurlHandle {
    if let handle = lock.withLock({ idle.popLast() }) { return handle }
    return try CurlHandle()
  }

  private func giveBack(_ handle: CurlHandle) {
    lock.withLock { if idle.count < options.idleCountMax { idle.append(handle) } }
  }

  // MARK: Settings

  /// Sets a handle up; gives whether the request waits for the server's leave.
  private func prepare(
    _ handle: CurlHandle, _ request: HTTPRequest, _ receiver: HTTPReceiver
  ) throws(HTTPError) -> Bool {
    handle.reset()
    handle.set(CURLOPT_NOSIGNAL, true)
    handle.set(CURLOPT_NOPROGRESS, false)
    handle.set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
    handle.set(CURLOPT_FOLLOWLOCATION, false)
    handle.set(CURLOPT_PATH_AS_IS, true)
    handle.set(CURLOPT_TCP_KEEPALIVE, true)
    handle.set(CURLOPT_SUPPRESS_CONNECT_HEADERS, true)
    prepareBuffers(handle, request, receiver)
    try handle.set(CURLOPT_PROTOCOLS_STR, text: "http,https")
    try handle.set(CURLOPT_USERAGENT, text: options.userAgent)
    try handle.set(CURLOPT_URL, text: request.url)
    handle.set(CURLOPT_FRESH_CONNECT, request.isSentOnce)
    prepareTimeouts(handle, request.timeouts ?? options.timeouts)
    try prepareWay(handle, request)
    return try prepareMessage(handle, request)
  }

  private func prepareBuffers(
    _ handle: CurlHandle, _ request: HTTPRequest, _ receiver: HTTPReceiver
  ) {
    let isShort =
      switch receiver {
      case .collect: request.method != .get
      case .buffer(let buffer): buffer.count <= HTTPClient.bufferSizeBytesMin
      case .push: false
      }
    handle.set(
      CURLOPT_BUFFERSIZE, isShort ? HTTPClient.bufferSizeBytesMin : HTTPClient.bufferSizeBytes)
    let sent = min(request.body?.sizeBytes ?? 0, Int64(HTTPClient.bufferSizeBytes))
    handle.set(CURLOPT_UPLOAD_BUFFERSIZE, max(Int(sent), HTTPClient.bufferSizeBytesMin))
  }

  private func prepareTimeouts(_ handle: CurlHandle, _ timeouts: HTTPTimeouts) {
    func milliseconds(_ seconds: Double) -> Int { max(1, Int(min(seconds, 1e6) * 1000)) }
    handle.set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(timeouts.connectSeconds))
    handle.set(CURLOPT_LOW_SPEED_LIMIT, 1)
    handle.set(CURLOPT_LOW_SPEED_TIME, max(1, Int(min(timeouts.idleSeconds, 1e6))))
    if let total = timeouts.totalSeconds {
      handle.set(CURLOPT_TIMEOUT_MS, milliseconds(total))
    }
  }

  private func prepareWay(_ handle: CurlHandle, _ request: HTTPRequest) throws(HTTPError) {
    switch options.proxy {
    case .environment: break
    case .none: try handle.set(CURLOPT_PROXY, text: "")
    case .url(let url): try handle.set(CURLOPT_PROXY, text: url)
    }
    handle.set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
    handle.set(CURLOPT_SSL_VERIFYPEER, options.verifiesServer)
    handle.set(CURLOPT_SSL_VERIFYHOST, options.verifiesServer ? 2 : 0)
    // Libcurl copies them for each request, also for one without TLS. A proxy has its own.
    guard unsafe !certificates.isEmpty, request.isSecure else { return }
    let code = unsafe drover_curl_set_certificates(
      handle.raw, certificates.baseAddress, certificates.count)
    guard code == CURLE_OK else {
      throw .certificatesUnusable(reason: CurlHandle.text(of: code))
    }
  }

  private func prepareMessage(
    _ handle: CurlHandle, _ request: HTTPRequest
  ) throws(HTTPError) -> Bool {
    let sizeBytes = request.body?.sizeBytes ?? 0
    let asksLeave = sizeBytes >= options.expectByteCountMin && lock.withLock { givesLeave }
    switch request.method {
    case .get: handle.set(CURLOPT_HTTPGET, true)
    case .head: handle.set(CURLOPT_NOBODY, true)
    case .put, .post, .delete:
      try prepareBody(handle, request, asksLeave)
      try handle.set(CURLOPT_CUSTOMREQUEST, text: request.method.rawValue)
    }
    handle.set(CURLOPT_EXPECT_100_TIMEOUT_MS, HTTPClient.continueMilliseconds)
    try handle.append(line: asksLeave ? "Expect: 100-continue" : "Expect:")
    // What libcurl would add by itself.
    try handle.append(line: "Accept: */*")
    for field in request.fields {
      // A value of nothing needs the other mark, or the field is left out.
      try handle.append(
        line: field.value.isEmpty ? field.name + ";" : field.name + ": " + field.value)
    }
    handle.useLines()
    return asksLeave
  }

  private func prepareBody(
    _ handle: CurlHandle, _ request: HTTPRequest, _ asksLeave: Bool
  ) throws(HTTPError) {
    if let body = request.body, let memory = unsafe body.memory?.baseAddress, !asksLeave,
      (1...HTTPClient.postByteCountMax).contains(Int(body.sizeBytes))
    {
      // One call of the kernel and one packet with the header. The request holds the memory.
      options.pace(of: request)?(Int(body.sizeBytes))
      handle.set(CURLOPT_POST, true)
      unsafe handle.set(CURLOPT_POSTFIELDS, pointer: UnsafeMutableRawPointer(mutating: memory))
      handle.set(CURLOPT_POSTFIELDSIZE_LARGE, size: body.sizeBytes)
      // What libcurl would take the body for.
      let isTold = request.fields.contains {
        HTTPFields.areEqual($0.name.utf8, "content-type".utf8)
      }
      if !isTold { try handle.append(line: "Content-Type:") }
    } else if request.method != .delete || request.body != nil {
      // A body of no bytes announces its length as well.
      handle.set(CURLOPT_UPLOAD, true)
      handle.set(CURLOPT_INFILESIZE_LARGE, size: request.body?.sizeBytes ?? 0)
    }
  }
}
