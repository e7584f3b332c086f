/// An answer over HTTP/1.1, after which the connection ends.
struct TextAnswer: Equatable {
  var status: String
  var contentType = "text/plain; charset=utf-8"
  /// The text; of an answer to HEAD its size alone is told.
  var body: [UInt8]
  var hasBody = true
  /// Further lines of the head.
  var fields = ""

  init(_ status: String, _ body: [UInt8]) {
    self.status = status
    self.body = body
  }

  init(_ status: String, _ text: String) { self.init(status, Array(text.utf8)) }

  var head: [UInt8] {
    Array(
      ("HTTP/1.1 \(status)\r\nContent-Type: \(contentType)\r\nContent-Length: \(body.count)\r\n"
        + "Connection: close\r\nX-Content-Type-Options: nosniff\r\n\(fields)\r\n").utf8)
  }
}
