import Glibc
import Platform
import TestSupport
import Testing

/// Section `rsync`: our own session over OpenSSH's client and server.
@Suite struct SSHMoverTests {
  private let trees: TemporaryDirectory
  private let source: String
  private let destination: String

  init() throws {
    trees = try TemporaryDirectory()
    source = try trees.makeDirectory("source")
    destination = try trees.makeDirectory("destination")
  }

  /// The two ends, and what stands before them; `sourceFields` and `destinationFields` go into
  /// their sections.
  private func pair(
    _ others: String = "", sourceFields: String = "", destinationFields: String = ""
  ) -> String {
    others + """
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationDestination
      metadata: {name: d}
      spec:
        trigger: {manual: once}
        rsync: {copyMethod: Direct, destinationPVC: '\(destination)'\(destinationFields)}
      ---
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationSource
      metadata: {name: s}
      spec:
        sourcePVC: '\(source)'
        trigger: {manual: once}
        rsync: {copyMethod: Direct\(sourceFields)}

      """
  }

  private func run(_ manifests: String) throws -> (
    result: ProcessResult, status: [String: JSONObject]
  ) {
    let result = try runProcess(
      try DroverBinary.path, ["run", "--once", "-f", "-", "-o", "json"],
      environment: ["TMPDIR": trees.path], stdin: Array(manifests.utf8))
    var status: [String: JSONObject] = [:]
    // A run that did not begin prints nothing.
    let document = try? JSONValue(parsing: result.output)
    for object in (document?.objectValue?["items"]?.arrayValue ?? []).compactMap(\.objectValue) {
      let name = object["metadata"]?.objectValue?["name"]?.stringValue ?? ""
      status[name] = object["status"]?.objectValue
    }
    return (result, status)
  }

  private func differences() throws -> String {
    try RsyncJudge.differences(source: source, destination: destination)
  }

  /// A Secret with all keys, made by ssh-keygen as a user would.
  private func secret(_ name: String, type: String = "ed25519") throws -> String {
    var lines = ["apiVersion: v1", "kind: Secret", "metadata: {name: \(name)}", "data:"]
    for end in ["source", "destination"] {
      let file = trees.path("\(name)-\(end)")
      try runChecked("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", "", "-f", file])
      for (field, path) in [(end, file), ("\(end).pub", "\(file).pub")] {
        var text: [UInt8] = []
        try ByteFiles.read(Array(path.utf8)).withUnsafeBytes { Base64.append($0, to: &text) }
        lines.append("  \(field): \(String(decoding: text, as: UTF8.self))")
      }
    }
    return lines.joined(separator: "\n") + "\n---\n"
  }

  @Test func generatesKeysAndCarriesEverything() throws {
    try MetadataZoo.make(at: source, seed: 71)
    let (result, status) = try run(pair())
    #expect(result.status == 0, "\(result.errorText)")
    let found = try differences()
    #expect(found.isEmpty, "\(found)")
    let section = status["d"]?["rsync"]?.objectValue
    #expect(section?["sshKeys"]?.stringValue == "volsync-rsync-dst-src-d")
    #expect(section?["address"]?.stringValue == "127.0.0.1")
    #expect(status["s"]?["lastSyncTime"] != nil)
  }

  @Test func takesTheKeysOfASecretAndFollowsChanges() throws {
    try MetadataZoo.make(at: source, seed: 72)
    let keys = try secret("keys")
    let fields = ", sshKeys: keys"
    for round in 1...2 {
      let (result, status) = try run(
        pair(keys, sourceFields: fields, destinationFields: fields))
      #expect(result.status == 0, "\(result.errorText)")
      let found = try differences()
      #expect(found.isEmpty, "\(found)")
      #expect(status["d"]?["rsync"]?.objectValue?["sshKeys"] == nil)
      _ = try TreeMutator.mutate(at: source, seed: UInt64(round))
    }
  }

  @Test func anIPv6AddressIsReached() throws {
    try ByteFiles.write(Array("\(source)/file".utf8), [1])
    let port = try freePort()
    let keys = try secret("keys")
    let (result, _) = try run(
      pair(
        keys, sourceFields: ", sshKeys: keys, address: '::1', port: \(port)",
        destinationFields: ", sshKeys: keys"))
    #expect(result.status == 0, "\(result.errorText)")
    #expect(try differences().isEmpty)
  }

  @Test func anotherKeyIsRefusedByEitherEnd() throws {
    try ByteFiles.write(Array("\(source)/file".utf8), [1])
    let keys = try secret("keys") + secret("others")
    let (result, status) = try run(
      pair(keys, sourceFields: ", sshKeys: others", destinationFields: ", sshKeys: keys"))
    #expect(result.status == 6, "\(result.errorText)")
    #expect(result.errorText.contains("authentication failed"))
    #expect(status["s"]?["lastSyncTime"] == nil)
    #expect(try ByteFiles.names(in: Array(destination.utf8)).isEmpty)
  }

  @Test func anEmptySourceIsRefused() throws {
    try ByteFiles.write(Array("\(destination)/kept".utf8), [1])
    let keys = try secret("keys")
    let (result, _) = try run(
      pair(keys, sourceFields: ", sshKeys: keys", destinationFields: ", sshKeys: keys"))
    #expect(result.status == 5, "\(result.errorText)")
    #expect(access("\(destination)/kept", F_OK) == 0)
  }

  @Test func aSecretWithoutAFieldIsNamed() throws {
    let keys = """
      apiVersion: v1
      kind: Secret
      metadata: {name: keys}
      stringData: {source: x, source.pub: y}
      ---

      """
    let (result, _) = try run(
      pair(keys, sourceFields: ", sshKeys: keys", destinationFields: ", sshKeys: keys"))
    #expect(result.status == 2)
    #expect(result.errorText.contains("the Secret \"keys\" has no destination.pub"))
    #expect(result.errorText.contains("the Secret \"keys\" has no destination"))
  }

  @Test func aLoginIsNoShellAndNoStockMover() throws {
    let keys = try secret("keys")
    let port = try freePort()
    try ByteFiles.write(Array("\(source)/file".utf8), [1])
    let manifest = pair(keys, destinationFields: ", sshKeys: keys")
    let alone = manifest.replacing("kind: ReplicationSource", with: "kind: Ignored")
    let parts = alone.split(separator: "---\n").filter { !$0.contains("kind: Ignored") }
    let document = parts.joined(separator: "---\n").replacing(
      "metadata: {name: d}",
      with: "metadata: {name: d, annotations: {drover.internal/listen: '127.0.0.1:\(port)'}}")
    let service = try ChildProcess(
      try DroverBinary.path, ["run", "--once", "-f", "-"], environment: ["TMPDIR": trees.path])
    service.writeInput(Array(document.utf8))
    service.closeInput()
    defer { service.kill(SIGKILL) }
    let deadline = MonotonicTime.now().advanced(bySeconds: 120)
    while !service.errorOutput.text.contains("listening"), service.isRunning,
      MonotonicTime.now() < deadline
    {
      usleep(10_000)
    }
    let key = trees.path("keys-source")
    chmod(key, 0o600)
    for command in ["id", "rsync --server -a . .", "shutdown 0"] {
      let result = try runProcess(
        "ssh",
        [
          "-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
          "-o", "BatchMode=yes", "-i", key, "-p", "\(port)", "root@127.0.0.1", command,
        ],
        timeoutSeconds: 120)
      #expect(!result.outputText.contains("uid="))
      #expect(result.status != 255, "\(result.errorText)")
      if command != "id" { #expect(result.errorText.contains("VolSync's ssh mover is not served")) }
    }
    #expect(service.isRunning, "\(service.errorOutput.text)")
  }

  @Test func standardInputAndOutputAreAWayByHand() throws {
    try MetadataZoo.make(at: source, seed: 73)
    let program = try DroverBinary.path
    let result = try runProcess(
      program,
      ["replicate", "send", "--via", "\(program) replicate receive --stdio \(destination)", source])
    #expect(result.status == 0, "\(result.errorText)")
    #expect(try differences().isEmpty)
    let wrong = try runProcess(
      program, ["replicate", "send", "--via", "ls /nonexistent", source])
    #expect(wrong.status == 1)
    #expect(wrong.errorText.contains("the command there ended with code 2"))
  }
}

extension String {
  fileprivate func replacing(_ text: String, with other: String) -> String {
    var result = ""
    var rest = self[...]
    while !rest.isEmpty {
      if rest.hasPrefix(text) {
        result += other
        rest = rest.dropFirst(text.count)
      } else {
        result.append(rest.removeFirst())
      }
    }
    return result
  }
}
