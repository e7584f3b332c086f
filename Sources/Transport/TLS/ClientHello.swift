import COpenSSL
import Platform

/// The first message of a TLS 1.3 client, as far as it tells which key it comes with; read while it
/// still stands in the socket's buffer.
///
/// | part | size |
/// |---|---|
/// | record: type 22, version, length | 5 |
/// | message: type 1, length | 4 |
/// | version, random | 34 |
/// | session id, suites, compressions | 1 + n, 2 + n, 1 + n |
/// | extensions, the last of them 41 (`pre_shared_key`) | 2 + n |
///
/// Source: RFC 8446, 4.1.2, 4.2.11, 5.1.
package struct ClientHello: Sendable {
  /// An identity with the proof that its key is held: an HMAC over the message so far.
  struct Offer: Sendable {
    var identity: [UInt8]
    var binder: [UInt8]
  }

  package enum Reading: Sendable {
    /// More has to come: so much at least.
    case incomplete(sizeBytesWanted: Int)
    case complete(ClientHello)
    case notTLS
  }

  /// OpenSSL's is below 1 KiB; the widest of others have post-quantum shares of some KiB.
  package static let sizeBytesMax = 16 << 10
  private static let offerCountMax = 8
  private static let headSizeBytes = 5

  /// Empty when it comes with no key.
  let offers: [Offer]
  /// The message up to the binders, over which they are made.
  let covered: [UInt8]

  /// Whether one of the offers names an identity.
  package func offers(_ identity: [UInt8]) -> Bool { offers.contains { $0.identity == identity } }

  /// Whether it was made by a holder of this key. One who has listened may say it again: the
  /// handshake that follows shows that.
  package func isProved(by key: PreSharedKey) -> Bool {
    offers.contains { offer in
      guard offer.identity == key.identity, let binder = Binder(key, covered) else { return false }
      return binder.isEqual(to: offer.binder)
    }
  }

  // MARK: Reading

  package static func read(_ bytes: UnsafeRawBufferPointer) -> Reading {
    let bytes = unsafe Array(bytes)
    var message: [UInt8] = []
    var start = 0
    while true {
      let head = bytes[start...].prefix(headSizeBytes)
      guard head.first ?? 22 == 22, head.dropFirst().first ?? 3 == 3 else { return .notTLS }
      guard head.count == headSizeBytes else {
        return .incomplete(sizeBytesWanted: start + headSizeBytes)
      }
      let size = Int(bytes[start + 3]) << 8 | Int(bytes[start + 4])
      guard (1...sizeBytesMax).contains(size) else { return .notTLS }
      let piece = bytes[(start + headSizeBytes)...].prefix(size)
      guard piece.count == size else {
        return .incomplete(sizeBytesWanted: start + headSizeBytes + size)
      }
      message += piece
      if let reading = read(message: message) { return reading }
      start += headSizeBytes + size
    }
  }

  /// Nil while the message is not complete.
  private static func read(message: [UInt8]) -> Reading? {
    guard message.count >= 4 else { return nil }
    let size = Int(message[1]) << 16 | Int(message[2]) << 8 | Int(message[3])
    guard message[0] == 1, size <= sizeBytesMax else { return .notTLS }
    guard message.count >= 4 + size else { return nil }
    var cursor = Cursor(message[4..<(4 + size)])
    guard cursor.skip(34), cursor.take(lengthSize: 1) != nil, cursor.take(lengthSize: 2) != nil,
      cursor.take(lengthSize: 1) != nil, let extensions = cursor.take(lengthSize: 2)
    else { return .notTLS }
    var rest = Cursor(extensions)
    while let type = rest.number(2), let content = rest.take(lengthSize: 2) {
      guard type == 41 else { continue }
      // It is the last one.
      guard rest.isEmpty, let hello = ClientHello(message, content) else { return .notTLS }
      return .complete(hello)
    }
    return rest.isEmpty ? .complete(ClientHello(offers: [], covered: [])) : .notTLS
  }

  private init(offers: [Offer], covered: [UInt8]) {
    self.offers = offers
    self.covered = covered
  }

  private init?(_ message: [UInt8], _ content: ArraySlice<UInt8>) {
    var cursor = Cursor(content)
    guard let identities = cursor.take(lengthSize: 2) else { return nil }
    let end = identities.endIndex
    guard let binders = cursor.take(lengthSize: 2), cursor.isEmpty else { return nil }
    var (names, proofs) = (Cursor(identities), Cursor(binders))
    var offers: [Offer] = []
    while let name = names.take(lengthSize: 2), names.skip(4),
      let proof = proofs.take(lengthSize: 1)
    {
      guard offers.count < ClientHello.offerCountMax else { return nil }
      offers.append(Offer(identity: Array(name), binder: Array(proof)))
    }
    guard names.isEmpty, proofs.isEmpty else { return nil }
    self.init(offers: offers, covered: Array(message[..<end]))
  }
}

/// Takes numbers and strings with their length off the front.
private struct Cursor {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  var isEmpty: Bool { rest.isEmpty }

  mutating func skip(_ count: Int) -> Bool {
    guard rest.count >= count else { return false }
    rest = rest.dropFirst(count)
    return true
  }

  /// Big-endian.
  mutating func number(_ size: Int) -> Int? {
    guard rest.count >= size else { return nil }
    defer { rest = rest.dropFirst(size) }
    return rest.prefix(size).reduce(0) { $0 << 8 | Int($1) }
  }

  mutating func take(lengthSize: Int) -> ArraySlice<UInt8>? {
    guard let count = number(lengthSize), rest.count >= count else { return nil }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }
}

/// The proof that goes with an identity (RFC 8446, 4.2.11.2 and 7.1), for SHA-256, the one hash of
/// our keys.
private struct Binder {
  private static let size = 32
  private let bytes: [UInt8]

  /// Nil when OpenSSL refuses.
  init?(_ key: PreSharedKey, _ covered: [UInt8]) {
    let zeros = [UInt8](repeating: 0, count: Binder.size)
    let early = unsafe key.secret.withBytes { unsafe Binder.mac(zeros, Array($0)) }
    guard let early, let nothing = Binder.hash([]), let transcript = Binder.hash(covered),
      let binderKey = Binder.expand(early, "ext binder", nothing),
      let finished = Binder.expand(binderKey, "finished", []),
      let bytes = Binder.mac(finished, transcript)
    else { return nil }
    self.bytes = bytes
  }

  func isEqual(to other: [UInt8]) -> Bool {
    guard other.count == bytes.count else { return false }
    return unsafe CRYPTO_memcmp(bytes, other, bytes.count) == 0
  }

  /// `HKDF-Expand-Label` of one block.
  private static func expand(_ secret: [UInt8], _ label: String, _ context: [UInt8]) -> [UInt8]? {
    let name = Array("tls13 \(label)".utf8)
    let info = [0, UInt8(size), UInt8(name.count)] + name + [UInt8(context.count)] + context + [1]
    return mac(secret, info)
  }

  private static func mac(_ key: [UInt8], _ data: [UInt8]) -> [UInt8]? {
    var result = [UInt8](repeating: 0, count: size)
    var count = 0
    let made = unsafe EVP_Q_mac(
      nil, "HMAC", nil, "SHA256", nil, key, key.count, data, data.count, &result, size, &count)
    return unsafe made != nil && count == size ? result : nil
  }

  private static func hash(_ data: [UInt8]) -> [UInt8]? {
    var result = [UInt8](repeating: 0, count: size)
    var count: UInt32 = 0
    let code = unsafe EVP_Digest(data, data.count, &result, &count, EVP_sha256(), nil)
    return code == 1 && count == size ? result : nil
  }
}
