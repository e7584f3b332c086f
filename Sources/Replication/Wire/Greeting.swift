import Cryptography
import FileTree
import Platform
import Transport

/// The first message of each end, sent outside of records.
///
/// | offset | size | meaning |
/// |---|---|---|
/// | 0 | 8 | `DROVER\r\n` |
/// | 8 | 4 | protocol version |
/// | 12 | 4 | length of the body, at most ``bodySizeMax`` |
/// | 16 | … | body (``SenderGreeting``, ``ReceiverGreeting``) |
enum Greeting {
  static let headSize = 16
  static let nonceSize = 32
  /// The filter's own limit and room for the root's entry.
  static let bodySizeMax = FilterRules.encodedSizeBytesMax + EntryCodec.sizeMax + 4096

  static func send(_ body: [UInt8], over stream: any ByteStream) throws {
    var message = WireLimits.magic
    append(WireLimits.version, to: &message)
    append(UInt32(body.count), to: &message)
    message += body
    try message.withUnsafeBytes { try stream.write($0) }
  }

  static func receive(from stream: any ByteStream) throws -> [UInt8] {
    let input = RecordInput(stream: stream)
    var head = [UInt8](repeating: 0, count: headSize)
    // The magic alone comes first: another protocol's greeting may be shorter than ours.
    let count = PeerProtocol.magicSize
    guard
      try head.withUnsafeMutableBytes({
        try input.fill(UnsafeMutableRawBufferPointer(rebasing: $0[..<count]), orEnd: true)
      })
    else { throw ReplicationError.peerLeft }
    if head.starts(with: PeerProtocol.rsyncMagic) { throw ReplicationError.rsyncPeer }
    guard head.starts(with: WireLimits.magic) else {
      throw ReplicationError.violation("no Drover greeting")
    }
    try head.withUnsafeMutableBytes {
      _ = try input.fill(UnsafeMutableRawBufferPointer(rebasing: $0[count...]))
    }
    let (version, size) = try head.withUnsafeBytes { bytes in
      var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[8...]))
      return (try reader.u32(), Int(try reader.u32()))
    }
    guard version == WireLimits.version else { throw ReplicationError.version(theirs: version) }
    guard size <= bodySizeMax else {
      throw ReplicationError.violation("a greeting of \(size) bytes")
    }
    var body = [UInt8](repeating: 0, count: size)
    try body.withUnsafeMutableBytes { _ = try input.fill($0) }
    return body
  }

  static func append<Value: FixedWidthInteger>(_ value: Value, to bytes: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }
}

/// What the sender wants of the session.
///
/// Body: nonce 32 · flags u32 · lanes u8 · generation u64 · deletions at most u64 (all ones: no
/// limit) · length u32 and filter rules · root kind u8 (1 tree, 2 volume) · tree: the root's entry
/// · volume: size u64.
struct SenderGreeting {
  struct Flags: OptionSet {
    let rawValue: UInt32
    static let delete = Flags(rawValue: 1)
    static let dryRun = Flags(rawValue: 2)
    static let itemize = Flags(rawValue: 4)
    static let checksum = Flags(rawValue: 8)
    static let inPlace = Flags(rawValue: 16)
    static let wholeFile = Flags(rawValue: 32)
    static let allowEmptySource = Flags(rawValue: 64)
    static let sourceIsEmpty = Flags(rawValue: 128)
    static let oneFileSystem = Flags(rawValue: 256)
    static let all: Flags = [
      .delete, .dryRun, .itemize, .checksum, .inPlace, .wholeFile, .allowEmptySource,
      .sourceIsEmpty, .oneFileSystem,
    ]
  }

  enum Root {
    /// A listing whose only entry is the root itself, with an empty name.
    case tree(DirectoryListing)
    case volume(sizeBytes: Int64)
  }

  var nonce: [UInt8]
  var flags: Flags
  var laneCount: Int
  /// Of the relationship: grows each time a destination is promoted.
  var generation: UInt64 = 1
  var deleteCountMax: Int?
  var filter: FilterRules
  var root: Root

  func encoded() -> [UInt8] {
    var body = nonce
    Greeting.append(flags.rawValue, to: &body)
    body.append(UInt8(laneCount))
    Greeting.append(generation, to: &body)
    Greeting.append(deleteCountMax.map { UInt64($0) } ?? .max, to: &body)
    let rules = filter.encoded()
    Greeting.append(UInt32(rules.count), to: &body)
    body += rules
    switch root {
    case .tree(let listing):
      body.append(1)
      let size = EntryCodec.encodedSize(listing.entries[0])
      body += [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        guard let base = buffer.baseAddress else { return }
        count = EntryCodec.encode(
          listing.entries[0], in: listing, into: UnsafeMutableRawPointer(base))
      }
    case .volume(let size):
      body.append(2)
      Greeting.append(size, to: &body)
    }
    return body
  }

  init(
    nonce: [UInt8], flags: Flags, laneCount: Int, generation: UInt64 = 1, deleteCountMax: Int?,
    filter: FilterRules, root: Root
  ) {
    self.nonce = nonce
    self.flags = flags
    self.laneCount = laneCount
    self.generation = generation
    self.deleteCountMax = deleteCountMax
    self.filter = filter
    self.root = root
  }

  init(decoding body: [UInt8]) throws {
    self = try body.withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      let nonce = [UInt8](try reader.bytes(Greeting.nonceSize))
      let flags = Flags(rawValue: try reader.u32())
      let laneCount = Int(try reader.u8())
      let generation = try reader.u64()
      let deletions = try reader.u64()
      guard Flags.all.isSuperset(of: flags), (1...WireLimits.laneCountMax).contains(laneCount)
      else { throw ReplicationError.violation("greeting") }
      let filter = try FilterRules(decoding: try reader.bytes(Int(try reader.u32())))
      let root: Root
      switch try reader.u8() {
      case 1:
        let listing = DirectoryListing(path: [])
        try EntryCodec.decode(&reader, into: listing, isRoot: true)
        guard listing.entries[0].kind == .directory else {
          throw ReplicationError.violation("the root is no directory")
        }
        root = .tree(listing)
      case 2:
        let size = Int64(bitPattern: try reader.u64())
        guard (0...SegmentLayout.sizeBytesMax).contains(size) else {
          throw ReplicationError.violation("a volume of \(size) bytes")
        }
        root = .volume(sizeBytes: size)
      default: throw ReplicationError.violation("kind of root")
      }
      guard reader.remaining == 0 else { throw ReplicationError.violation("greeting too long") }
      return SenderGreeting(
        nonce: nonce, flags: flags, laneCount: laneCount, generation: generation,
        deleteCountMax: deletions == .max ? nil : Int(clamping: deletions), filter: filter,
        root: root)
    }
  }
}

/// The receiver's answer: nonce 32 · what it says u8 and its body.
///
/// | says | body |
/// |---|---|
/// | 0 accepted | |
/// | 1 refused | ``AbortMessage`` |
/// | 2 not ready | seconds u32 until another try, and why |
/// | 3 fenced | the receiver's generation u64, and what to do |
struct ReceiverGreeting {
  enum Answer {
    case accepted
    case refused(AbortMessage)
    case notReady(seconds: UInt32, reason: String)
    case fenced(generation: UInt64, text: String)
  }

  var nonce: [UInt8]
  var answer: Answer

  init(nonce: [UInt8], _ answer: Answer = .accepted) {
    self.nonce = nonce
    self.answer = answer
  }

  func encoded() -> [UInt8] {
    var body = nonce
    switch answer {
    case .accepted: body.append(0)
    case .refused(let message): body += [1] + message.encoded()
    case .notReady(let seconds, let reason):
      body.append(2)
      Greeting.append(seconds, to: &body)
      body += reason.utf8.prefix(WireLimits.messageBytesMax)
    case .fenced(let generation, let text):
      body.append(3)
      Greeting.append(generation, to: &body)
      body += text.utf8.prefix(WireLimits.messageBytesMax)
    }
    return body
  }

  init(decoding body: [UInt8]) throws {
    self = try body.withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      let nonce = [UInt8](try reader.bytes(Greeting.nonceSize))
      func text() throws -> String {
        guard reader.remaining <= WireLimits.messageBytesMax else {
          throw ReplicationError.violation("answer to the greeting")
        }
        return printable(try reader.bytes(reader.remaining))
      }
      switch try reader.u8() {
      case 0: return ReceiverGreeting(nonce: nonce)
      case 1:
        let rest = try reader.bytes(reader.remaining)
        return ReceiverGreeting(nonce: nonce, .refused(try AbortMessage(decoding: rest)))
      case 2:
        let seconds = try reader.u32()
        return ReceiverGreeting(nonce: nonce, .notReady(seconds: seconds, reason: try text()))
      case 3:
        let generation = try reader.u64()
        return ReceiverGreeting(nonce: nonce, .fenced(generation: generation, text: try text()))
      default: throw ReplicationError.violation("answer to the greeting")
      }
    }
  }

  /// What a refusing answer stands for; nil when the session goes on.
  var error: ReplicationError? {
    switch answer {
    case .accepted: nil
    case .refused(let message): message.error
    case .notReady(let seconds, let reason):
      .notReady(
        seconds: min(max(1, Int(seconds)), WireLimits.retrySecondsMax), reason: reason)
    case .fenced(let generation, let text): .fenced(generation: generation, text: text)
    }
  }
}

/// Why an end gives up: kind of failure u8 (position in `FailureKind.allCases`) and a text.
struct AbortMessage {
  var kind: FailureKind
  var text: String

  init(kind: FailureKind, text: String) {
    self.kind = kind
    self.text = text
  }

  /// What the other side is told of a local failure.
  init(_ error: any Error) {
    if let error = error as? any DroverError {
      self.init(kind: error.kind, text: error.description)
    } else {
      self.init(kind: .internalFault, text: "\(error)")
    }
  }

  func encoded() -> [UInt8] {
    let index = FailureKind.allCases.firstIndex(of: kind) ?? 0
    return [UInt8(index)] + Array(text.utf8.prefix(WireLimits.messageBytesMax))
  }

  init(decoding bytes: UnsafeRawBufferPointer) throws {
    guard let first = bytes.first, Int(first) < FailureKind.allCases.count,
      bytes.count <= WireLimits.messageBytesMax + 1
    else { throw ReplicationError.violation("abort message") }
    kind = FailureKind.allCases[Int(first)]
    text = printable(UnsafeRawBufferPointer(rebasing: bytes[1...]))
  }

  /// The error that the peer's message stands for. A peer that lost its connection is unreachable
  /// for us; one that was cancelled has failed for us.
  var error: ReplicationError { .peer(kind == .cancelled ? .failed : kind, message: text) }
}

/// Keys that only the two ends of one session know.
struct SessionKeys: Sendable {
  /// For page sums (XXH3).
  let sums: [UInt8]
  /// For block tags (Poly1305).
  let tags: [UInt8]

  init(senderNonce: [UInt8], receiverNonce: [UInt8]) throws {
    let secret = senderNonce + receiverNonce
    sums = try deriveKey(secret: secret, label: "drover page sums", count: XXH3Key.keyLength)
    tags = try deriveKey(secret: secret, label: "drover block tags", count: Poly1305Key.keyLength)
  }
}
