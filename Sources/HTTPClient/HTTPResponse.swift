/// The fields of a received header, in their order; names compare without case. They are kept as
/// they came: most are never asked for.
package struct HTTPFields: Sendable {
  private struct Place {
    var nameStart: Int
    var valueStart: Int
    var end: Int
  }

  private var bytes: [UInt8] = []
  private var places: [Place] = []

  package init(_ fields: [HTTPField] = []) {
    for field in fields { append(name: field.name.utf8, value: field.value.utf8) }
  }

  package var count: Int { places.count }

  package var all: [HTTPField] {
    places.map { HTTPField(text($0.nameStart..<$0.valueStart), text($0.valueStart..<$0.end)) }
  }

  private func text(_ range: Range<Int>) -> String {
    String(decoding: bytes[range], as: UTF8.self)
  }

  /// The first value of a name.
  package subscript(name: String) -> String? {
    for place in places where place.valueStart - place.nameStart == name.utf8.count {
      if HTTPFields.areEqual(bytes[place.nameStart..<place.valueStart], name.utf8) {
        return text(place.valueStart..<place.end)
      }
    }
    return nil
  }

  /// The number that a field holds; nil for none, and for what is no number.
  package func integer(_ name: String) -> Int64? { self[name].flatMap { Int64($0) } }

  mutating func append(name: some Collection<UInt8>, value: some Collection<UInt8>) {
    if bytes.isEmpty {
      bytes.reserveCapacity(HTTPFields.byteCountUsual)
      places.reserveCapacity(HTTPFields.countUsual)
    }
    let start = bytes.count
    bytes += name
    let valueStart = bytes.count
    bytes += value
    places.append(Place(nameStart: start, valueStart: valueStart, end: bytes.count))
  }

  private static let byteCountUsual = 512
  private static let countUsual = 16

  static func areEqual(_ a: some Sequence<UInt8>, _ b: some Sequence<UInt8>) -> Bool {
    a.elementsEqual(b) { lower($0) == lower($1) }
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
