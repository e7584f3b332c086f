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

  init() throws {
    directory = try TemporaryDirectory()
    repository = directory.path("repository")
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
    return variables
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

  /// Runs restic, which has to succeed.
  @discardableResult
  func restic(_ arguments: [String]) throws -> ProcessResult {
    var variables = environment
    for (name, value) in variables where value.isEmpty { variables[name] = nil }
    return try runChecked("restic", ["--no-cache"] + arguments, environment: variables)
  }

  /// The values of the lines of JSON.
  static func lines(_ output: [UInt8]) throws -> [JSONValue] {
    try output.split(separator: 0x0a).map { try JSONValue(parsing: $0) }
  }
}

extension JSONValue {
  subscript(name: String) -> JSONValue? { objectValue?[name] }
}
