import FileTree
import Pipelines
import Platform
import TestSupport
import Testing

@testable import Replication

/// Decodes of bytes from outside end in a value or an error, whatever the bytes are.
@Suite struct CodecTests {
  private static let rounds = SampledCounts.count(sampled: 3000, full: 200_000)

  /// A decoder of one kind of message, and a valid message for it.
  struct Codec: CustomTestStringConvertible, Sendable {
    let testDescription: String
    /// Whether every proper prefix of the valid message is refused.
    var isSelfDelimiting = true
    let valid: @Sendable () throws -> [UInt8]
    let decode: @Sendable (UnsafeRawBufferPointer) throws -> Void
  }

  static let codecs: [Codec] = [
    Codec(
      testDescription: "record header",
      valid: {
        var bytes = [UInt8](repeating: 0, count: RecordHeader.size)
        bytes.withUnsafeMutableBytes { buffer in
          guard let base = buffer.baseAddress else { return }
          RecordHeader(wireSize: 77, rawSize: 300, lane: 2, isCompressed: true).encode(into: base)
        }
        return bytes
      },
      decode: { _ = try RecordHeader(decoding: $0) }),
    Codec(
      testDescription: "frames", isSelfDelimiting: false,
      valid: { frame(.data, [1, 2, 3]) + frame(.credit, [1, 0, 0, 0]) + frame(.ping, []) },
      decode: { bytes in
        var frames = FrameIterator(bytes)
        while let frame = try frames.next() { _ = frame.body.count }
      }),
    Codec(
      testDescription: "end of a file",
      valid: { encoded(FileEnd.size) { FileEnd.example.encode(&$0) } },
      decode: { bytes in
        var reader = ByteReader(bytes)
        _ = try FileEnd(decoding: &reader)
      }),
    Codec(
      testDescription: "acknowledgement",
      valid: { encoded(Acknowledgement.size) { Acknowledgement.example.encode(&$0) } },
      decode: { _ = try Acknowledgement(decoding: $0) }),
    Codec(
      testDescription: "sender's greeting of a tree",
      valid: {
        try SenderGreeting.tree(flags: [.delete, .itemize], excludes: ["*.o", "/x/"]).encoded()
      },
      decode: { _ = try SenderGreeting(decoding: [UInt8]($0)) }),
    Codec(
      testDescription: "sender's greeting of a volume",
      valid: { try SenderGreeting.volume(sizeBytes: 1 << 40).encoded() },
      decode: { _ = try SenderGreeting(decoding: [UInt8]($0)) }),
    Codec(
      testDescription: "receiver's greeting", isSelfDelimiting: false,
      valid: {
        ReceiverGreeting(
          nonce: [UInt8](repeating: 5, count: 32),
          .refused(AbortMessage(kind: .refused, text: "no"))
        ).encoded()
      },
      decode: { _ = try ReceiverGreeting(decoding: [UInt8]($0)) }),
    Codec(
      testDescription: "abort", isSelfDelimiting: false,
      valid: { AbortMessage(kind: .corrupt, text: "größe").encoded() },
      decode: { _ = try AbortMessage(decoding: $0) }),
    Codec(
      testDescription: "entry",
      valid: {
        EntryBytes(
          kind: .regular, name: "name", size: 5,
          attributes: [6, 0] + Array("user.x".utf8) + [2, 0, 0, 0, 9, 9], linkPath: "a/b"
        ).encoded
      },
      decode: { bytes in
        var reader = ByteReader(bytes)
        try EntryCodec.decode(&reader, into: DirectoryListing(path: []))
      }),
    Codec(
      testDescription: "symbolic link",
      valid: { EntryBytes(kind: .symbolicLink, name: "l", target: "../x").encoded },
      decode: { bytes in
        var reader = ByteReader(bytes)
        try EntryCodec.decode(&reader, into: DirectoryListing(path: []))
      }),
  ]

  private static func encoded(
    _ size: Int, _ write: (inout PointerWriter) -> Void
  ) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      guard let base = buffer.baseAddress else { return }
      var writer = PointerWriter(UnsafeMutableRawPointer(base))
      write(&writer)
      count = writer.offset
    }
  }

  private func refuses(_ codec: Codec, _ bytes: [UInt8]) -> Bool {
    do {
      try bytes.withUnsafeBytes { try codec.decode($0) }
      return false
    } catch {
      #expect(error is any DroverError, "\(codec.testDescription): \(error)")
      return true
    }
  }

  @Test("A message cut short is refused", arguments: codecs)
  func truncation(_ codec: Codec) throws {
    let valid = try codec.valid()
    #expect(!refuses(codec, valid))
    for count in 0..<valid.count {
      let isRefused = refuses(codec, [UInt8](valid[..<count]))
      if codec.isSelfDelimiting { #expect(isRefused, "\(count) of \(valid.count) bytes") }
    }
  }

  @Test("Damaged and random bytes never trap", arguments: codecs)
  func randomBytes(_ codec: Codec) throws {
    let valid = try codec.valid()
    var random = SeededGenerator(seed: 600)
    var refused = 0
    for round in 0..<CodecTests.rounds {
      var bytes = valid
      if round % 4 == 0 {
        bytes = random.bytes(random.below(200))
      } else {
        for _ in 0..<(1 + random.below(4)) {
          bytes[random.below(bytes.count)] = random.pick([
            0, 1, 0x7f, 0x80, 0xff, UInt8.random(in: 0...255, using: &random),
          ])
        }
        if round % 4 == 1 { bytes += random.bytes(random.below(8)) }
      }
      if refuses(codec, bytes) { refused += 1 }
    }
    #expect(refused > 0)
  }

  @Test("Messages come back as they went")
  func roundTrips() throws {
    let end = try Self.encoded(FileEnd.size) { FileEnd.example.encode(&$0) }.withUnsafeBytes {
      var reader = ByteReader($0)
      return try FileEnd(decoding: &reader)
    }
    #expect(end.outcome == .changed)
    #expect(end.sizeBytes == 1 << 50)
    #expect(end.modifiedSeconds == -5)
    #expect(end.modifiedNanoseconds == 999_999_999)
    #expect(end.hash == .max)
    let acknowledgement = try Self.encoded(Acknowledgement.size) {
      Acknowledgement.example.encode(&$0)
    }.withUnsafeBytes { try Acknowledgement(decoding: $0) }
    #expect(acknowledgement.digest == Acknowledgement.example.digest)
    #expect(acknowledgement.deletedCount == 7)
    #expect(acknowledgement.matchedBytes == 1 << 60)
    var greeting = try SenderGreeting.tree(flags: [.delete, .inPlace], excludes: ["*.o"])
    greeting.generation = 1 << 40
    let decoded = try SenderGreeting(decoding: greeting.encoded())
    #expect(decoded.nonce == greeting.nonce)
    #expect(decoded.flags == greeting.flags)
    #expect(decoded.filter == greeting.filter)
    #expect(decoded.deleteCountMax == 12)
    #expect(decoded.encoded() == greeting.encoded())
    #expect(decoded.generation == 1 << 40)
    let answer = try ReceiverGreeting(
      decoding: ReceiverGreeting(nonce: greeting.nonce).encoded())
    #expect(answer.error == nil)
    for (seconds, shown) in [(0, 1), (7, 7), (1 << 31, 600)] as [(UInt32, Int)] {
      let answer = try ReceiverGreeting(
        decoding: ReceiverGreeting(
          nonce: greeting.nonce, .notReady(seconds: seconds, reason: "paused")
        ).encoded())
      guard case .notReady(shown, "paused") = answer.error else {
        throw TestFailure("\(String(describing: answer.error))")
      }
    }
    let fenced = try ReceiverGreeting(
      decoding: ReceiverGreeting(nonce: greeting.nonce, .fenced(generation: 3, text: "go"))
        .encoded())
    guard case .fenced(3, "go") = fenced.error else { throw TestFailure("not fenced") }
    #expect(fenced.error?.kind == .refused)
    for kind in FailureKind.allCases {
      let message = try AbortMessage(kind: kind, text: "why").encoded().withUnsafeBytes {
        try AbortMessage(decoding: $0)
      }
      #expect(message.kind == kind)
      #expect(message.text == "why")
    }
  }

  @Test("Entries of every kind come back as they went")
  func entries() throws {
    let list: [UInt8] = [6, 0] + Array("user.x".utf8) + [0, 0, 0, 0]
    let samples = [
      EntryBytes(kind: .regular, name: "f", size: .max), EntryBytes(kind: .directory, name: "d"),
      EntryBytes(kind: .symbolicLink, name: "l", target: "/etc/passwd"),
      EntryBytes(kind: .fifo, name: "p", attributes: list), EntryBytes(kind: .socket, name: "s"),
      EntryBytes(kind: .characterDevice, name: "c", size: 0x0000_0003_0000_0001),
      EntryBytes(kind: .blockDevice, name: "b", linkPath: "x/y"),
    ]
    for sample in samples {
      let listing = DirectoryListing(path: [])
      try sample.encoded.withUnsafeBytes {
        var reader = ByteReader($0)
        try EntryCodec.decode(&reader, into: listing)
        #expect(reader.remaining == 0)
      }
      let entry = try #require(listing.entries.first)
      let size = EntryCodec.encodedSize(entry)
      let again = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        guard let base = buffer.baseAddress else { return }
        count = EntryCodec.encode(entry, in: listing, into: UnsafeMutableRawPointer(base))
      }
      #expect(again == sample.encoded)
    }
  }

  @Test(
    "Names, paths and sizes that could do harm are refused",
    arguments: [
      EntryBytes(kind: .regular, name: ".."), EntryBytes(kind: .regular, name: "."),
      EntryBytes(kind: .regular, name: ""), EntryBytes(kind: .directory, name: "a/b"),
      EntryBytes(kind: .regular, name: "/x"), EntryBytes(kind: .regular, name: "a\0b"),
      EntryBytes(kind: .regular, name: String(repeating: "n", count: 256)),
      EntryBytes(kind: .regular, name: "a", size: -1),
      EntryBytes(kind: .regular, name: "a", linkPath: "/etc/passwd"),
      EntryBytes(kind: .regular, name: "a", linkPath: "../x"),
      EntryBytes(kind: .regular, name: "a", linkPath: "x/../../y"),
      EntryBytes(kind: .regular, name: "a", linkPath: "x//y"),
      EntryBytes(kind: .regular, name: "a", linkPath: "x/"),
      EntryBytes(kind: .regular, name: "a", linkPath: "x\0"),
      EntryBytes(kind: .directory, name: "a", linkPath: "x"),
      EntryBytes(kind: .symbolicLink, name: "a", target: ""),
      EntryBytes(kind: .symbolicLink, name: "a", target: "x\0y"),
      EntryBytes(kind: .regular, name: "a", mode: 0o10000),
      EntryBytes(kind: .regular, name: "a", nanoseconds: 1_000_000_000),
      EntryBytes(kind: .regular, name: "a", attributes: [1, 0, 0x78, 0, 0, 0, 0]),
      EntryBytes(
        kind: .regular, name: "a", attributes: [6, 0] + Array("user.x".utf8) + [9, 0, 0, 0]),
    ])
  func harmfulEntries(_ entry: EntryBytes) {
    #expect(throws: TreeError.self) {
      try entry.encoded.withUnsafeBytes {
        var reader = ByteReader($0)
        try EntryCodec.decode(&reader, into: DirectoryListing(path: []))
      }
    }
  }

  @Test("Segments behind the limits are refused, never counted over")
  func segments() throws {
    #expect(throws: ReplicationError.self) {
      try SegmentLayout(sizeBytes: .max, basisSizeBytes: 0, segment: .max)
    }
    #expect(throws: ReplicationError.self) {
      try SegmentLayout(sizeBytes: 10, basisSizeBytes: 10, segment: 1)
    }
    #expect(SegmentLayout.count(sizeBytes: SegmentLayout.sizeBytesMax) == SegmentLayout.countMax)
    let last = try SegmentLayout(
      sizeBytes: SegmentLayout.sizeBytesMax, basisSizeBytes: .max,
      segment: SegmentLayout.countMax - 1)
    #expect(last.end == SegmentLayout.sizeBytesMax)
  }
}

extension FileEnd {
  static var example: FileEnd {
    var end = FileEnd(.changed)
    end.sizeBytes = 1 << 50
    end.modifiedSeconds = -5
    end.modifiedNanoseconds = 999_999_999
    end.hash = .max
    return end
  }
}

extension Acknowledgement {
  static var example: Acknowledgement {
    var example = Acknowledgement(digest: (0..<32).map { UInt8($0) })
    example.deletedCount = 7
    example.matchedBytes = 1 << 60
    return example
  }
}
