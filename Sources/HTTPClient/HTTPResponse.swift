/// The fields of a received header, in their order; names compare without case.
package struct HTTPFields: Sendable {
  package private(set) var all: [HTTPField] = []

  package init(_ fields: [HTTPField] = []) { all = fields }

  /// The first value of a name.
  package subscript(name: String) -> String? {
    all.first { HTTPFields.areEqual($0.name, name) }?.value
  }

  /// The number that a field holds; nil for none, and for what is no number.
  package func integer(_ name: String) -> Int64? { self[name].flatMap { Int64($0) } }

  mutating func append(_ field: HTTPField) { all.append(field) }

  static func areEqual(_ a: String, _ b: String) -> Bool {
    a.utf8.count == b.utf8.count && zip(a.utf8, b.utf8).allSatisfy { lower($0) == lower($1) }
  }

  private static func lower(_ byte: UInt8) -> UInt8 {
    (0x41...0x5a).contains(byte) ? byte | 0x20 : byte
  }
}

/// What comes before a body.
package struct HTTPResponseHead: Sendable {
  package var status: Int
  package var fields: HTTPFields

  package init(status: Int, fields: HTTPFields = HTTPFields()) {
    self.status = status
    self.fields = fields
  }

  package var isSuccess: Bool { (200...299).contains(status) }
  /// Bytes of the body that the server announces.
  package var contentLength: Int64? { fields.integer("content-length") }
}

/// An answer. Its body went to the receiver, or is here.
package struct HTTPResponse: Sendable {
  package var head: HTTPResponseHead
  /// The body as far as it was collected; of a failed request the first 64 KiB.
  package var body: [UInt8] = []
  /// Bytes that arrived, wherever they went.
  package var receivedByteCount: Int64 = 0
  /// False when the receiver had enough before the end.
  package var isWhole = true

  package var status: Int { head.status }
  package var isSuccess: Bool { head.isSuccess }
  package subscript(name: String) -> String? { head.fields[name] }
}

/// What a receiver wants next.
package enum HTTPFlow: Sendable {
  case goOn
  /// No more: the request ends well, and its connection with it.
  case stop
}

/// Where the body of a successful answer goes. Bodies of other answers are always collected.
@safe package enum HTTPReceiver {
  /// Into ``HTTPResponse/body``; a longer one is an error, if the server announces its length
  /// before it is read.
  case collect(byteCountMax: Int)
  /// Into memory that stays in place during the call; a longer body is an error.
  case buffer(UnsafeMutableRawBufferPointer)
  /// To a function, in pieces that are valid during the call only.
  case push((HTTPResponseHead, UnsafeRawBufferPointer) throws(HTTPError) -> HTTPFlow)
}
