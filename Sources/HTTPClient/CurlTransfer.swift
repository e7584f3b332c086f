import CCurl
import Glibc
import Platform

/// One request under way: what libcurl's callbacks need and what they leave. Used by the thread
/// that performs the request.
@safe final class CurlTransfer {
  private let url: String
  private let method: HTTPMethod
  private let limits: HTTPLimits
  private let receiver: HTTPReceiver
  private let isCancelled: @Sendable () -> Bool
  private let pace: (@Sendable (Int) -> Void)?
  private let activity: Activity?
  private var cursor: HTTPBodyCursor?

  private(set) var head = HTTPResponseHead(status: 0)
  /// Whether the blank line behind the final header has come.
  private(set) var isHeadWhole = false
  private(set) var hadContinue = false
  private(set) var collected: [UInt8] = []
  private(set) var receivedByteCount: Int64 = 0
  private(set) var isStopped = false
  /// Why a callback ended the transfer.
  private(set) var failure: HTTPError?
  private var headByteCount = 0
  /// Of both bodies, as the activity knows them.
  private var passedByteCount: Int64 = 0
  private var lastPassed = MonotonicTime.now()

  init(
    _ request: HTTPRequest, _ options: HTTPOptions, _ receiver: HTTPReceiver
  ) {
    url = request.url
    method = request.method
    limits = options.limits
    self.receiver = receiver
    isCancelled = options.isCancelled
    pace = options.pace(of: request)
    activity = options.activity
    cursor = request.body.map(HTTPBodyCursor.init)
  }

  var server: String { HTTPRequest.server(of: url) }

  // MARK: Sending

  /// `CURLOPT_READFUNCTION`.
  func send(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    do throws(HTTPError) {
      let count = try unsafe cursor?.read(into: buffer) ?? 0
      if count > 0, let pace { pace(count) }
      if isCancelled() { throw .cancelled }
      return count
    } catch {
      failure = error
      return drover_curl_read_abort()
    }
  }

  /// `CURLOPT_SEEKFUNCTION`: a kept connection turned out to be dead and another one is used.
  func rewind(to offset: Int64, from origin: Int32) -> Bool {
    origin == SEEK_SET && (cursor?.seek(to: offset) ?? (offset == 0))
  }

  // MARK: Receiving

  /// `CURLOPT_HEADERFUNCTION`: one whole line. False ends the transfer.
  func takeHeader(_ line: UnsafeRawBufferPointer) -> Bool {
    headByteCount += line.count
    guard headByteCount <= limits.headByteCountMax else {
      return fail(.tooLarge(server: server, what: "the header", limit: limits.headByteCountMax))
    }
    var text = unsafe line[...]
    while let last = unsafe text.last, last == 0x0a || last == 0x0d {
      unsafe text = unsafe text.dropLast()
    }
    if unsafe text.starts(with: "HTTP/".utf8) { return unsafe begin(text) }
    // Fields behind a body in chunks say nothing that is needed here.
    guard !isHeadWhole else { return true }
    guard unsafe !text.isEmpty else { return endHead() }
    guard head.fields.count < limits.fieldCountMax else {
      return fail(
        .tooLarge(server: server, what: "the number of header fields", limit: limits.fieldCountMax))
    }
    if let colon = unsafe text.firstIndex(of: UInt8(ascii: ":")) {
      let value = unsafe CurlTransfer.trimmed(text[(colon + 1)...])
      unsafe head.fields.append(name: text[..<colon], value: value)
    }
    return true
  }

  private static func trimmed(
    _ text: Slice<UnsafeRawBufferPointer>
  ) -> Slice<UnsafeRawBufferPointer> {
    func isBlank(_ byte: UInt8?) -> Bool { byte == 0x20 || byte == 0x09 }
    var text = unsafe text
    while unsafe isBlank(text.first) { unsafe text = unsafe text.dropFirst() }
    while unsafe isBlank(text.last) { unsafe text = unsafe text.dropLast() }
    return unsafe text
  }

  /// A status line; an earlier header was that of an interim answer.
  private func begin(_ line: Slice<UnsafeRawBufferPointer>) -> Bool {
    let rest = unsafe line.drop { $0 != 0x20 }.drop { $0 == 0x20 }
    let digits = unsafe rest.prefix { $0 != 0x20 }
    let status = unsafe Int(String(decoding: digits, as: UTF8.self))
    head = HTTPResponseHead(status: status ?? 0)
    if head.status == 100 { hadContinue = true }
    isHeadWhole = false
    return true
  }

  private func endHead() -> Bool {
    // Of an interim answer.
    guard head.status >= 200 else { return true }
    isHeadWhole = true
    noteAnswer()
    guard head.isSuccess, method != .head, let length = head.contentLength else { return true }
    let limit: Int
    switch receiver {
    case .collect(let byteCountMax): limit = byteCountMax
    case .buffer(let buffer): limit = buffer.count
    case .push: return true
    }
    guard length <= Int64(limit) else {
      return fail(.tooLarge(server: server, what: "an answer of \(length) bytes", limit: limit))
    }
    return true
  }

  private func noteAnswer() {
    if head.isSuccess {
      activity?.noteAnswer(after: MonotonicTime.now().seconds(since: lastPassed))
    } else if head.status == 429 || head.status >= 500 {
      activity?.noteRefusal()
    }
  }

  /// `CURLOPT_WRITEFUNCTION`. False ends the transfer.
  func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
    if isCancelled() { return fail(.cancelled) }
    guard head.isSuccess else { return unsafe takeFailure(bytes) }
    switch receiver {
    case .collect(let byteCountMax):
      guard collected.count + bytes.count <= byteCountMax else {
        return fail(.tooLarge(server: server, what: "an answer", limit: byteCountMax))
      }
      unsafe collected.append(contentsOf: bytes)
    case .buffer(let buffer):
      let start = Int(receivedByteCount)
      guard start + bytes.count <= buffer.count else {
        return unsafe fail(.tooLarge(server: server, what: "an answer", limit: buffer.count))
      }
      unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[start...]).copyMemory(from: bytes)
    case .push(let push):
      do throws(HTTPError) {
        isStopped = try unsafe push(head, bytes) == .stop
      } catch {
        return fail(error)
      }
    }
    receivedByteCount += Int64(bytes.count)
    return !isStopped
  }

  private func takeFailure(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let room = limits.failureByteCountMax - collected.count
    unsafe collected.append(contentsOf: bytes.prefix(room))
    receivedByteCount += Int64(bytes.count)
    isStopped = bytes.count > room
    return !isStopped
  }

  /// `CURLOPT_XFERINFOFUNCTION`, with the bytes of both bodies so far. False ends the transfer.
  func goesOn(received: Int64, sent: Int64) -> Bool {
    if received + sent > passedByteCount {
      passedByteCount = received + sent
      lastPassed = .now()
      activity?.noteTraffic()
    }
    return isCancelled() ? fail(.cancelled) : true
  }

  private func fail(_ error: HTTPError) -> Bool {
    if failure == nil { failure = error }
    return false
  }

  // MARK: Callbacks

  /// Gives libcurl the callbacks; this object has to live as long as the transfer.
  func install(in handle: CurlHandle) -> CURLcode {
    unsafe drover_curl_set_callbacks(
      handle.raw,
      { buffer, size, count, context in
        guard let transfer = unsafe CurlTransfer.of(context) else {
          return drover_curl_read_abort()
        }
        let room = unsafe UnsafeMutableRawBufferPointer(start: buffer, count: size * count)
        return unsafe transfer.send(into: room)
      },
      { context, offset, origin in
        let isDone = unsafe CurlTransfer.of(context)?.rewind(to: Int64(offset), from: origin)
        return isDone == true ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL
      },
      { line, size, count, context in
        let bytes = unsafe UnsafeRawBufferPointer(start: line, count: size * count)
        return unsafe CurlTransfer.of(context)?.takeHeader(bytes) == true ? bytes.count : 0
      },
      { piece, size, count, context in
        let bytes = unsafe UnsafeRawBufferPointer(start: piece, count: size * count)
        if unsafe bytes.isEmpty { return 0 }
        return unsafe CurlTransfer.of(context)?.takeBody(bytes) == true ? bytes.count : 0
      },
      { context, _, received, _, sent in
        let transfer = unsafe CurlTransfer.of(context)
        return transfer?.goesOn(received: Int64(received), sent: Int64(sent)) == true ? 0 : 1
      },
      Unmanaged.passUnretained(self).toOpaque())
  }

  private static func of(_ context: UnsafeMutableRawPointer?) -> CurlTransfer? {
    guard let context = unsafe context else { return nil }
    return unsafe Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
  }
}
