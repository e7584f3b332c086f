import Glibc
import Platform
import Testing

@testable import Transport

/// 64 bytes of a key in hex, from one repeated digit pair.
func keyHex(_ pair: String) -> String { String(repeating: pair, count: 64) }

func keyRing(_ text: String) throws -> KeyRing {
  try Array(text.utf8).withUnsafeBytes { try KeyRing(parsing: $0, source: "keys") }
}

/// A server's and a client's end of one TLS connection over 127.0.0.1.
struct Loopback {
  let server: TLSStream
  let client: TLSStream

  init(timeoutSeconds: Double? = 60) throws {
    let timeouts = StreamTimeouts(timeoutSeconds: timeoutSeconds)
    let keys = try keyRing("volsync:\(keyHex("a5"))")
    let listener = try Listener(on: Endpoint(parsing: "127.0.0.1:0"), wakeup: Wakeup())
    let serving = Thread("server") {
      try accept(listener, keys: keys, timeouts: timeouts)
    }
    let client = Result {
      try connect(port: listener.boundPort, key: keys.clientKey(), timeouts: timeouts)
    }
    let server = Result { try serving.join() }
    self.server = try server.get()
    self.client = try client.get()
  }
}

func accept(
  _ listener: Listener, keys: KeyRing, timeouts: StreamTimeouts = StreamTimeouts(timeoutSeconds: 60)
) throws -> TLSStream {
  let connection = try listener.accept(wakeup: Wakeup())
  return try TLSStream(connection, context: .server(keys), timeouts: timeouts)
}

func connect(
  port: UInt16, key: PreSharedKey, timeouts: StreamTimeouts = StreamTimeouts(timeoutSeconds: 60)
) throws -> TLSStream {
  let connection = try Connection.connect(
    to: Endpoint(host: "127.0.0.1", port: port), timeouts: timeouts, wakeup: Wakeup())
  return try TLSStream(connection, context: .client(key), timeouts: timeouts)
}

extension ByteStream {
  func write(_ bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { try write($0) }
  }

  /// Reads once, at most `count` bytes.
  func read(atMost count: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, size in
      size = try read(into: UnsafeMutableRawBufferPointer(buffer))
    }
  }

  /// Reads to the peer's clean end, in pieces of at most `piece` bytes.
  func readAll(piece: Int = 64 << 10) throws -> [UInt8] {
    var all: [UInt8] = []
    while true {
      let bytes = try read(atMost: piece)
      if bytes.isEmpty { return all }
      all += bytes
    }
  }
}

/// Bytes that repeat only after 2^32 words, from a seed (SplitMix64).
func pattern(seed: UInt64, count: Int) -> [UInt8] {
  var state = seed
  var bytes = [UInt8](repeating: 0, count: (count + 7) / 8 * 8)
  bytes.withUnsafeMutableBytes { raw in
    for offset in stride(from: 0, to: raw.count, by: 8) {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      raw.storeBytes(of: z ^ (z >> 31), toByteOffset: offset, as: UInt64.self)
    }
  }
  bytes.removeLast(bytes.count - count)
  return bytes
}

/// Compares long byte strings; a difference is told by sizes and place, not by all the bytes.
func expectSame(
  _ found: [UInt8], _ expected: [UInt8], sourceLocation: SourceLocation = #_sourceLocation
) {
  if found == expected { return }
  let place = zip(found, expected).enumerated().first { $1.0 != $1.1 }?.offset
  Issue.record(
    "\(found.count) of \(expected.count) bytes, first difference at \(place ?? found.count)",
    sourceLocation: sourceLocation)
}

/// The transport error that `body` throws; a test failure when it throws none.
func transportError(
  _ sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) -> TransportError? {
  do {
    try body()
    Issue.record("no error was thrown", sourceLocation: sourceLocation)
    return nil
  } catch let error as TransportError {
    return error
  } catch {
    Issue.record("not a transport error: \(error)", sourceLocation: sourceLocation)
    return nil
  }
}

/// A directory that is removed with its files at the end.
final class TemporaryDirectory {
  let path: String

  init() throws {
    var template = Array("/tmp/drover-transport-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw PlatformError.last("mkdtemp") }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit {
    if let directory = opendir(path) {
      while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) {
          String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name != ".", name != ".." { unlink("\(path)/\(name)") }
      }
      closedir(directory)
    }
    rmdir(path)
  }

  @discardableResult
  func write(_ name: String, _ text: String, mode: mode_t = 0o600) throws -> String {
    let file = "\(path)/\(name)"
    let raw = open(file, O_WRONLY | O_CREAT | O_TRUNC, mode)
    guard raw >= 0 else { throw PlatformError.last("open", file) }
    defer { close(raw) }
    fchmod(raw, mode)
    var bytes = Array(text.utf8)
    guard Glibc.write(raw, &bytes, bytes.count) == bytes.count else {
      throw PlatformError.last("write", file)
    }
    return file
  }
}

/// A foreign program that runs beside the test and is ended with it.
final class Program {
  let pid: pid_t

  /// Starts `arguments` with no input and its output in `log`.
  init(_ arguments: [String], log: String) throws {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    // The threads of the test pool block signals, which a child would inherit.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    let argv = arguments.map { strdup($0) } + [nil]
    defer { argv.forEach { free($0) } }
    var pid: pid_t = 0
    let code = posix_spawnp(&pid, arguments[0], &actions, &attributes, argv, nil)
    guard code == 0 else { throw PlatformError("posix_spawn", arguments[0], errno: code) }
    self.pid = pid
  }

  deinit {
    kill(pid, SIGTERM)
    var status: Int32 = 0
    waitpid(pid, &status, 0)
  }
}
