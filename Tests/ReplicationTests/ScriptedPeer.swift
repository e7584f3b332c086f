import FileTree
import Glibc
import Platform
import TestSupport
import Testing
import Transport

@testable import Replication

func frame(_ type: UInt8, _ body: [UInt8]) -> [UInt8] {
  little(UInt32(body.count) | UInt32(type) << 24) + body
}

func frame(_ type: FrameType, _ body: [UInt8]) -> [UInt8] { frame(type.rawValue, body) }

func little<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { [UInt8]($0) }
}

/// The encoding of an entry that may be wrong in any field.
struct EntryBytes: Sendable, CustomTestStringConvertible {
  var kind: EntryKind
  var name: String
  var size: Int64 = 0
  var target = ""
  var attributes: [UInt8] = []
  var linkPath: String?
  var mode: UInt16 = 0o644
  var nanoseconds: UInt32 = 0

  var testDescription: String { "\(kind) \(name.prefix(20)) \(size) \(linkPath ?? target)" }

  var encoded: [UInt8] {
    let flags: UInt8 = (attributes.isEmpty ? 0 : 1) | (linkPath == nil ? 0 : 2)
    var bytes: [UInt8] = [kind.rawValue, flags]
    bytes += little(UInt16(name.utf8.count))
    bytes += little(kind == .symbolicLink ? 0o777 : mode) + little(UInt32(0)) + little(UInt32(0))
    bytes += little(Int64(1_700_000_000)) + little(nanoseconds)
    switch kind {
    case .regular, .characterDevice, .blockDevice: bytes += little(size)
    case .symbolicLink:
      bytes += little(UInt16(target.utf8.count))
      bytes += Array(target.utf8)
    case .directory, .fifo, .socket: break
    }
    if !attributes.isEmpty { bytes += little(UInt32(attributes.count)) + attributes }
    if let linkPath {
      bytes += little(UInt16(linkPath.utf8.count))
      bytes += Array(linkPath.utf8)
    }
    return bytes + Array(name.utf8)
  }
}

extension SenderGreeting {
  static func tree(
    flags: Flags = [.delete], excludes: [String] = []
  ) throws -> SenderGreeting {
    let listing = DirectoryListing(path: [])
    try rootBytes.withUnsafeBytes {
      var reader = ByteReader($0)
      try EntryCodec.decode(&reader, into: listing, isRoot: true)
    }
    return SenderGreeting(
      nonce: [UInt8](repeating: 7, count: Greeting.nonceSize), flags: flags, laneCount: 2,
      deleteCountMax: 12, filter: try FilterRules(commandLine: excludes.map { .exclude($0) }),
      root: .tree(listing))
  }

  static let rootBytes = EntryBytes(kind: .directory, name: "", mode: 0o755).encoded

  static func volume(sizeBytes: Int64) throws -> SenderGreeting {
    var greeting = try tree()
    greeting.root = .volume(sizeBytes: sizeBytes)
    return greeting
  }
}

/// The end of a stream on which a test says byte for byte what a peer says.
final class ScriptedPeer {
  /// The honest end has ended the session, which a script that goes on sees as this.
  struct SessionOver: Error {}

  let stream: any ByteStream
  private let input: RecordInput
  private let unpacker: LaneUnpacker
  private var waiting: [(type: FrameType, body: [UInt8])] = []
  private(set) var abortText: String?

  init(_ stream: any ByteStream) throws {
    self.stream = stream
    input = RecordInput(stream: stream)
    unpacker = try LaneUnpacker()
  }

  func write(_ bytes: [UInt8]) throws {
    do {
      try bytes.withUnsafeBytes { try stream.write($0) }
    } catch {
      throw SessionOver()
    }
  }

  /// Sends frames as one record of a lane.
  func send(_ frames: [UInt8], lane: UInt8 = 0) throws {
    let size = little(UInt32(frames.count))
    try write(size + size + [lane, 0, 0, 0] + frames)
  }

  /// The next frame that the honest end sends.
  func next() throws -> (type: FrameType, body: [UInt8]) {
    while waiting.isEmpty {
      do {
        guard let header = try input.readHeader() else { throw SessionOver() }
        var bytes = [UInt8](repeating: 0, count: header.wireSize)
        try bytes.withUnsafeMutableBytes { _ = try input.fill($0) }
        #expect(!header.isCompressed, "only uncompressed sessions are scripted")
        try bytes.withUnsafeBytes {
          var frames = FrameIterator($0)
          while let frame = try frames.next() { waiting.append((frame.type, [UInt8](frame.body))) }
        }
      } catch {
        throw SessionOver()
      }
    }
    let frame = waiting.removeFirst()
    if frame.type == .abort { abortText = String(decoding: frame.body.dropFirst(), as: UTF8.self) }
    return frame
  }

  /// Reads until a frame of this type; what comes before is dropped.
  @discardableResult
  func await(_ type: FrameType) throws -> [UInt8] {
    while true {
      let frame = try next()
      if frame.type == type { return frame.body }
      if frame.type == .abort { throw SessionOver() }
    }
  }

  /// Says nothing more.
  func leave() { do { try stream.finish() } catch { stream.close() } }

  /// Reads to the end of what the honest end says, then closes. An end that finds nothing wrong
  /// sees the script's end of the connection after a while.
  func drain(patienceSeconds: Double = 10) {
    let (lock, stream) = (Lock(), stream)
    let over = Condition(lock)
    let flag = Flag()
    let closer = Thread("closer") {
      lock.lock()
      defer { lock.unlock() }
      let end = MonotonicTime.now().advanced(bySeconds: patienceSeconds)
      while !flag.isSet, over.wait(until: end) {}
      if !flag.isSet { stream.close() }
    }
    do { while true { _ = try next() } } catch { stream.close() }
    lock.withLock {
      flag.isSet = true
      over.broadcast()
    }
    do { try closer.join() } catch { Issue.record(error) }
  }

  private final class Flag: @unchecked Sendable { var isSet = false }
}

/// A tree with a canary beside it and links in it that lead out.
struct Fortress {
  let trees: TreePair
  let canary: String

  init() throws {
    trees = try TreePair()
    canary = try trees.directory.makeDirectory("canary")
    try ByteFiles.write(Array("\(canary)/bird".utf8), Array("alive".utf8))
    let root = Array(trees.destination.utf8)
    for name in ["out", "out2"] {
      try ByteFiles.makeSymlink(ByteFiles.join(root, name), target: Array(canary.utf8))
    }
    try ByteFiles.makeSymlink(
      ByteFiles.join(root, "file-out"), target: Array("../canary/bird".utf8))
    try ByteFiles.makeSymlink(ByteFiles.join(root, "new-out"), target: Array("../canary/new".utf8))
    _ = try trees.directory.makeDirectory("destination/dir")
    try ByteFiles.write(ByteFiles.join(root, "dir/file"), [UInt8](repeating: 3, count: 100_000))
    try ByteFiles.write(ByteFiles.join(root, "basis"), [UInt8](repeating: 4, count: 100_000))
  }

  /// Whether nothing outside of the destination was created or changed.
  func check(_ note: String = "", sourceLocation: SourceLocation = #_sourceLocation) throws {
    let beside = try ByteFiles.names(in: Array(trees.directory.path.utf8)).map {
      String(decoding: $0, as: UTF8.self)
    }
    #expect(
      beside == ["canary", "destination", "source"], "\(note)", sourceLocation: sourceLocation)
    let names = try ByteFiles.names(in: Array(canary.utf8)).map {
      String(decoding: $0, as: UTF8.self)
    }
    #expect(names == ["bird"], "\(note)", sourceLocation: sourceLocation)
    let content = try ByteFiles.read(Array("\(canary)/bird".utf8))
    #expect(content == Array("alive".utf8), "\(note)", sourceLocation: sourceLocation)
  }
}

extension SessionRun {
  /// Runs an honest receiver against a script; gives what the receiver came to.
  static func receive(
    into root: String, greeting: SenderGreeting, patience: Patience = Patience(),
    _ script: (ScriptedPeer) throws -> Void
  ) throws -> Result<SessionSummary, any Error> {
    let (left, right) = try DescriptorStream.makePair()
    let watchdog = Watchdog {
      left.abort()
      right.abort()
    }
    defer { watchdog.end() }
    let receiver = Thread("receiver") {
      var options = ReceiveOptions(root: root)
      options.patience = patience
      let final = options
      return Result { try ReplicationSession.receive(over: right, options: final) }
    }
    let peer = try ScriptedPeer(left)
    do {
      try Greeting.send(greeting.encoded(), over: left)
      _ = try Greeting.receive(from: left)
      try script(peer)
    } catch is ScriptedPeer.SessionOver {
      // The receiver gave up before the script was over, which its result shows.
    }
    peer.drain()
    return try receiver.join()
  }

  /// Runs an honest sender against a script; gives what the sender came to.
  static func send(
    _ options: SendOptions, _ script: (ScriptedPeer) throws -> Void
  ) throws -> Result<SessionSummary, any Error> {
    let (left, right) = try DescriptorStream.makePair()
    let watchdog = Watchdog {
      left.abort()
      right.abort()
    }
    defer { watchdog.end() }
    var plain = options
    plain.compression = .none
    let final = plain
    let sender = Thread("sender") {
      Result { try ReplicationSession.send(over: left, options: final) }
    }
    let peer = try ScriptedPeer(right)
    do {
      _ = try Greeting.receive(from: right)
      try Greeting.send(
        ReceiverGreeting(nonce: [UInt8](repeating: 9, count: 32)).encoded(), over: right)
      try script(peer)
    } catch is ScriptedPeer.SessionOver {
      // The sender gave up before the script was over, which its result shows.
    }
    peer.drain()
    return try sender.join()
  }
}
