import Glibc
import Platform
import TestSupport
import Testing

/// A place for a repository, and both programs to work on it.
struct RepoBench {
  let directory: TemporaryDirectory
  let repository: String
  /// A directory with a few files to back up.
  let source: String
  var password = "a secret of tests"
  /// What the way to the repository needs.
  private var storeVariables: [String: String] = [:]

  init() throws { try self.init(repository: nil) }

  /// A place in a bucket, which may not be there yet, in a server that the caller holds.
  init(_ server: any BucketServer, bucket: String, prefix: String) throws {
    try self.init(repository: "s3:\(server.endpoint.url)/\(bucket)/\(prefix)")
    storeVariables = [
      "AWS_ACCESS_KEY_ID": server.endpoint.accessKey,
      "AWS_SECRET_ACCESS_KEY": server.endpoint.secretKey,
      "AWS_DEFAULT_REGION": server.endpoint.region, "no_proxy": "127.0.0.1",
      "AWS_CA_BUNDLE": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_REGION": "",
    ]
  }

  private init(repository place: String?) throws {
    directory = try TemporaryDirectory()
    repository = place ?? directory.path("repository")
    source = try directory.makeDirectory("source")
    try RepoBench.write("\(source)/hello", "hello, world\n")
    guard mkdir("\(source)/folder", 0o755) == 0 else { throw PlatformError.last("mkdir") }
    try RepoBench.write("\(source)/folder/file", String(repeating: "0123456789", count: 1_000))
    guard symlink("hello", "\(source)/link") == 0 else { throw PlatformError.last("symlink") }
  }

  /// A copy of a repository of `fixtures/restic`.
  init(fixture: String) throws {
    try self.init()
    password = "drover-fixture"
    let origin = RepoBench.fixturePath(fixture)
    try runChecked("cp", ["-r", "--no-preserve=mode", "--", origin, repository])
  }

  static func fixturePath(_ name: String) -> String {
    let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
    return "\(parts.joined(separator: "/"))/fixtures/restic/\(name)"
  }

  static func write(_ path: String, _ text: String) throws {
    try ByteFiles.write(Array(path.utf8), Array(text.utf8))
  }

  /// The variables that steer both programs; those of the machine are taken away.
  var environment: [String: String] {
    var variables: [String: String] = [
      "XDG_CACHE_HOME": directory.path("cache"), "TZ": "UTC", "RESTIC_REPOSITORY": repository,
      "RESTIC_PASSWORD": password,
    ]
    for name in [
      "REPOSITORY_FILE", "PASSWORD_FILE", "PASSWORD_COMMAND", "CACHE_DIR", "COMPRESSION",
      "PACK_SIZE", "HOST", "PROGRESS_FPS", "KEY_HINT", "READ_CONCURRENCY",
    ] { variables["RESTIC_\(name)"] = "" }
    return variables.merging(storeVariables) { $1 }
  }

  /// Runs `drover repo` with more variables than usual.
  func drover(
    _ arguments: [String], _ variables: [String: String] = [:], stdin: [UInt8] = []
  ) throws -> ProcessResult {
    try runProcess(
      DroverBinary.path, ["repo"] + arguments,
      environment: environment.merging(variables) { _, new in new }, stdin: stdin,
      timeoutSeconds: 120)
  }

  /// Runs `drover repo`, which has to succeed.
  @discardableResult
  func droverChecked(
    _ arguments: [String], _ variables: [String: String] = [:],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> ProcessResult {
    let result = try drover(arguments, variables)
    #expect(
      result.status == 0, "drover repo \(arguments): \(result.errorText)",
      sourceLocation: sourceLocation)
    return result
  }

  /// Starts `drover repo`.
  func startDrover(_ arguments: [String]) throws -> ChildProcess {
    try ChildProcess(DroverBinary.path, ["repo"] + arguments, environment: environment)
  }

  private var resticEnvironment: [String: String] { environment.filter { !$0.value.isEmpty } }

  /// Runs restic, which has to succeed.
  @discardableResult
  func restic(_ arguments: [String]) throws -> ProcessResult {
    try runChecked("restic", ["--no-cache"] + arguments, environment: resticEnvironment)
  }

  /// Runs restic, however it ends.
  func tryRestic(_ arguments: [String]) throws -> ProcessResult {
    try runProcess("restic", ["--no-cache"] + arguments, environment: resticEnvironment)
  }

  /// Starts restic.
  func startRestic(_ arguments: [String]) throws -> ChildProcess {
    try ChildProcess("restic", ["--no-cache"] + arguments, environment: resticEnvironment)
  }

  /// The names of the finished files in a directory of the repository and below it.
  func files(_ directory: String) throws -> Set<String> {
    let found = try ByteFiles.tree(Array("\(repository)/\(directory)".utf8))
    let names = found.filter { $0.kind == S_IFREG }.compactMap { file in
      file.path.split(separator: UInt8(ascii: "/")).last.map { String(decoding: $0, as: UTF8.self) }
    }
    return Set(names.filter { $0.utf8.count == 64 })
  }

  /// Waits until so many locks are in the repository, or a program that was to take one has ended.
  func waitForLocks(_ count: Int, of children: [ChildProcess]) throws {
    let end = MonotonicTime.now().advanced(bySeconds: 120)
    while try files("locks").count < count {
      guard MonotonicTime.now() < end, children.allSatisfy(\.isRunning) else {
        let said = children.map { "\($0.output.text)\($0.errorOutput.text)" }
        throw TestFailure("no \(count) locks: \(said)")
      }
      SystemClock().sleep(seconds: 0.01)
    }
  }

  /// The snapshots, oldest first, by restic.
  func snapshotIDs() throws -> [String] {
    let output = try restic(["snapshots", "--json", "--no-lock"]).output
    return (try JSONValue(parsing: output).arrayValue ?? []).compactMap { $0["id"]?.stringValue }
  }

  /// What `restic check` complains about; empty when all is well. Locks do not matter.
  func complaints(readsData: Bool = false) throws -> String {
    let result = try tryRestic(["check", "--no-lock"] + (readsData ? ["--read-data"] : []))
    let isSound = result.status == 0 && result.outputText.contains("no errors were found")
    return isSound ? "" : result.outputText + result.errorText
  }

  /// What is different between a copy of `source` and what restic restores of a snapshot.
  func differences(_ snapshot: String, from copy: String) throws -> String {
    let target = directory.path("restored-\(snapshot.prefix(8))")
    defer { removeTree(target) }
    try restic(["restore", snapshot, "--no-lock", "--target", target])
    return try RsyncJudge.differences(source: copy, destination: target + source)
  }

  /// The values of the lines of JSON.
  static func lines(_ output: [UInt8]) throws -> [JSONValue] {
    try output.split(separator: 0x0a).map { try JSONValue(parsing: $0) }
  }
}

extension JSONValue {
  subscript(name: String) -> JSONValue? { objectValue?[name] }
}
