import Glibc
import Platform
import TestSupport
import Testing

/// A state directory with volumes beside it, and the program's daemon on it.
final class DaemonBench {
  let temporary: TemporaryDirectory
  private(set) var daemon: ChildProcess?

  init(volumes: [String]) throws {
    temporary = try TemporaryDirectory()
    for name in volumes { _ = try temporary.makeDirectory(name) }
  }

  var state: String { temporary.path("state") }
  func path(_ name: String) -> String { temporary.path(name) }

  func write(_ name: String, _ text: String) throws {
    try ByteFiles.write(Array(path(name).utf8), Array(text.utf8))
  }

  /// Empty when it is not there.
  func text(_ name: String) -> String {
    let bytes = (try? SmallFile.read(path(name), sizeBytesMax: 1 << 24)) ?? []
    return String(decoding: bytes, as: UTF8.self)
  }

  // MARK: The program

  func drover(_ arguments: String..., input: String = "") throws -> ProcessResult {
    try runProcess(
      try DroverBinary.path, arguments, environment: ["DROVER_STATE": state],
      stdin: Array(input.utf8), timeoutSeconds: 300)
  }

  /// Runs a command, which has to succeed; what it has printed.
  @discardableResult
  func droverChecked(
    _ arguments: String..., input: String = "", sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    let result = try runProcess(
      try DroverBinary.path, arguments, environment: ["DROVER_STATE": state],
      stdin: Array(input.utf8), timeoutSeconds: 300)
    #expect(
      result.status == 0, "\(arguments): \(result.errorText)", sourceLocation: sourceLocation)
    return result.outputText
  }

  func startDaemon() throws {
    let daemon = try ChildProcess(try DroverBinary.path, ["daemon", "--state", state])
    self.daemon = daemon
    try wait(for: "the daemon") { daemon.errorOutput.text.contains("serving \(state)") }
  }

  func killDaemon() {
    daemon?.kill(SIGKILL)
    _ = daemon?.wait()
    daemon = nil
  }

  /// Ends the daemon, which has to end well.
  func stopDaemon(sourceLocation: SourceLocation = #_sourceLocation) {
    daemon?.kill(SIGTERM)
    #expect(daemon?.wait() == 0, "\(daemonLog)", sourceLocation: sourceLocation)
    daemon = nil
  }

  var daemonLog: String { daemon?.errorOutput.text ?? "" }

  func wait(for what: String, _ holds: () throws -> Bool) throws {
    try waitFor(what, telling: { String(daemonLog.suffix(4000)) }, holds)
  }

  /// A field of an object, as text; empty when it is not there.
  func field(_ object: String, _ path: String) throws -> String {
    let parts = object.split(separator: "/").map(String.init)
    let text = try drover("get", parts[0], parts[1], "-o", "jsonpath={\(path)}").outputText
    return text.hasSuffix("\n") ? String(text.dropLast()) : text
  }

  // MARK: Objects and keys

  /// A key file of a fresh key, named alike in every file.
  func makeKey(_ name: String) throws -> String {
    let path = path(name)
    try ByteFiles.write(
      Array(path.utf8), Array("volsync:\(hex(SecureRandom.bytes(32)))\n".utf8), mode: 0o600)
    return path
  }

  func destination(_ name: String, volume: String, port: UInt16, spec: String = "") -> String {
    """
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: \(name)}
    stringData: {psk.txt: '\(text("\(name).psk").prefix { $0 != "\n" })'}
    ---
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationDestination
    metadata: {name: \(name), annotations: {drover.internal/listen: '127.0.0.1:\(port)'}}
    spec:
      \(spec)
      rsyncTLS: {copyMethod: Direct, destinationPVC: '\(path(volume))', keySecret: \(name)}

    """
  }

  /// Sends a volume by hand.
  func send(_ volume: String, to port: UInt16, key: String) throws -> ProcessResult {
    try runProcess(
      try DroverBinary.path,
      [
        "replicate", "send", "--connect", "127.0.0.1:\(port)", "--psk-file", path("\(key).psk"),
        path(volume),
      ], timeoutSeconds: 300)
  }
}
