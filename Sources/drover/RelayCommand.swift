import ArgumentParser
import Glibc
import Platform
import Transport

/// `drover relay`: what a login to an sshd of ours runs. It carries its standard input and output
/// to the mover that has started the sshd. Not for hands.
struct RelayCommand: ParsableCommand {
  static let name = "relay"
  static let configuration = CommandConfiguration(
    commandName: name, abstract: "Carry standard input and output to a socket.",
    shouldDisplay: false)

  @Argument(help: ArgumentHelp("The mover's socket.", valueName: "socket"))
  var socket: String

  /// The path of this program, which is looked up while it stands there.
  static func executable() throws -> String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &buffer, buffer.count)
    guard count > 0 else { throw PlatformError.last("readlink", "/proc/self/exe") }
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  func run() throws {
    let mover = try LocalSocket.connect(socket)
    let command = getenv("SSH_ORIGINAL_COMMAND").map { String(cString: $0) } ?? ""
    try RelayRequest(command: command).send(over: mover)
    if let refusal = try RelayRequest.answer(from: mover) {
      Console.standard.complain("drover: \(refusal)")
      throw ExitCode(ExitStatus.failed.rawValue)
    }
    let input = SharedDescriptor(owning: dup(0))
    let output = SharedDescriptor(owning: dup(1))
    let peer = try DescriptorStream(
      reading: input, writing: output, peerDescription: "ssh",
      timeouts: StreamTimeouts(timeoutSeconds: nil))
    let upwards = Thread("relay in") { RelayCommand.carry(from: peer, to: mover) }
    RelayCommand.carry(from: mover, to: peer)
    // The mover has said all; what the peer may still say is of no use.
    peer.abort()
    mover.abort()
    try upwards.join()
  }

  private static func carry(from: any ByteStream, to: any ByteStream) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
    defer { buffer.deallocate() }
    do throws(TransportError) {
      while true {
        let count = try from.read(into: buffer)
        if count == 0 { break }
        try to.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      }
      try to.finish()
    } catch {
      // The other direction meets the same end; the session's two ends know whether it matters.
      to.abort()
    }
  }
}

/// What a relay and its mover say to each other before the session: the relay the command that the
/// peer has asked for (u32 little-endian length, then its bytes), the mover a byte 0, or 1 and why
/// not (length and text).
struct RelayRequest {
  /// The longest argument list of one string that Linux passes on.
  private static let sizeBytesMax = 128 << 10

  static let stockText =
    "VolSync's ssh mover is not served: run drover at both ends, or use rsyncTLS, which is"

  var command: String

  /// Whether VolSync's own mover is there.
  var isOfStockMover: Bool {
    ["rsync ", "diskrsync ", "shutdown "].contains { command.hasPrefix($0) }
  }

  func send(over stream: any ByteStream) throws { try RelayRequest.send(command, over: stream) }

  static func receive(from stream: any ByteStream) throws -> RelayRequest {
    RelayRequest(command: try receiveText(from: stream))
  }

  static func accept(_ stream: any ByteStream) throws {
    try [UInt8](repeating: 0, count: 1).withUnsafeBytes { try stream.write($0) }
  }

  static func refuse(_ stream: any ByteStream, _ text: String) throws {
    try [1 as UInt8].withUnsafeBytes { try stream.write($0) }
    try send(text, over: stream)
    try stream.finish()
  }

  /// The mover's refusal; nil when it goes on.
  static func answer(from stream: any ByteStream) throws -> String? {
    try receive(1, from: stream)[0] == 0 ? nil : try receiveText(from: stream)
  }

  private static func send(_ text: String, over stream: any ByteStream) throws {
    let bytes = Array(text.utf8.prefix(sizeBytesMax))
    let size = UInt32(bytes.count).littleEndian
    let message = withUnsafeBytes(of: size) { Array($0) } + bytes
    try message.withUnsafeBytes { try stream.write($0) }
  }

  private static func receiveText(from stream: any ByteStream) throws -> String {
    let size = try receive(4, from: stream).reversed().reduce(0) { $0 << 8 | Int($1) }
    guard size <= sizeBytesMax else {
      throw TransportError.library(call: "relay", reason: "a request of \(size) bytes")
    }
    return String(decoding: try receive(size, from: stream), as: UTF8.self)
  }

  private static func receive(_ count: Int, from stream: any ByteStream) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var offset = 0
    while offset < count {
      let size = try bytes.withUnsafeMutableBytes {
        try stream.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[offset...]))
      }
      guard size > 0 else { throw TransportError.truncated(peer: stream.peerDescription) }
      offset += size
    }
    return bytes
  }
}
