import Glibc
import Platform
import TestSupport
import Testing

/// Addresses, passwords, caches and exit codes of `drover repo` are those of restic.
@Suite struct RepoOptionTests {
  @Test(arguments: [(1, ["--repository-version", "1"]), (2, [])])
  func resticWorksInWhatWeMake(version: Int, options: [String]) throws {
    let bench = try RepoBench()
    let text = try bench.droverChecked(["init"] + options).outputText
    #expect(text.hasPrefix("created restic repository "))
    #expect(text.contains(" at \(bench.repository)\n"))
    try bench.restic(["backup", "-q", bench.source])
    try bench.restic(["check", "--read-data"])
    let config = try JSONValue(parsing: try bench.restic(["cat", "config"]).output)
    #expect(config["version"] == .integer(Int64(version)))
    #expect(try bench.droverChecked(["ls", "latest"]).outputText.contains("/source/hello\n"))
  }

  @Test func initTellsTheIdentifierAsJSON() throws {
    let bench = try RepoBench()
    let message = try JSONValue(parsing: try bench.droverChecked(["init", "--json"]).output)
    let config = try JSONValue(parsing: try bench.restic(["cat", "config"]).output)
    #expect(message["message_type"] == .string("initialized"))
    #expect(message["id"] == config["id"])
    #expect(message["repository"] == .string(bench.repository))
  }

  @Test func aSecondInitChangesNothing() throws {
    let bench = try RepoBench()
    try bench.droverChecked(["init"])
    let before = try bench.restic(["cat", "config"]).output
    #expect(try bench.drover(["init"]).status == 1)
    #expect(try bench.restic(["cat", "config"]).output == before)
    #expect(try bench.restic(["list", "keys"]).output.count == 65)
  }

  @Test func nothingThereIsTen() throws {
    let bench = try RepoBench()
    let result = try bench.drover(["snapshots"])
    #expect(result.status == 10)
    #expect(
      result.errorText.contains(
        "Is there a repository at the following location?\n\(bench.repository)\n"))
    let json = try bench.drover(["snapshots", "--json"])
    let message = try JSONValue(parsing: json.errorOutput)
    #expect(message["message_type"] == .string("exit_error"))
    #expect(message["code"] == .integer(10))
    // A directory that is no repository.
    let empty = try bench.directory.makeDirectory("empty")
    #expect(try bench.drover(["-r", empty, "cat", "config"]).status == 10)
  }

  @Test func wrongPasswordIsTwelve() throws {
    let bench = try RepoBench(fixture: "repo-v2")
    let result = try bench.drover(["snapshots"], ["RESTIC_PASSWORD": "other"])
    #expect(result.status == 12)
    #expect(!result.errorText.contains("other"))
    #expect(try bench.drover(["snapshots"], ["RESTIC_PASSWORD": "second-password"]).status == 0)
  }

  @Test(arguments: [
    [], ["snapshots", "--no-such-option"], ["cat"], ["cat", "config", "name"], ["nothing"],
    ["snapshots", "--compression", "much"], ["snapshots", "--pack-size", "1000"],
    ["snapshots", "zzz", "--retry-lock", "soon"], ["init", "--repository-version", "3"],
    ["-r", "s3:https://u:secret@h/bucket", "snapshots"], ["-r", "s3:host", "snapshots"],
    ["-r", "rest:http://u:secret@h/", "snapshots"],
    ["-r", "nothing:at/all", "snapshots"], ["--repository-file", "/dev/null", "snapshots"],
    ["-p", "/nonexistent/password", "snapshots"], ["ls", "latest", "relative"],
  ])
  func wrongUsageIsOne(arguments: [String]) throws {
    let bench = try RepoBench(fixture: "repo-v1")
    let result = try bench.drover(arguments)
    // The bare command explains itself.
    #expect(result.status == (arguments.isEmpty ? 0 : 1), "\(result.errorText)")
    #expect(!result.errorText.contains("secret"))
  }

  @Test func addressesComeFromOptionsFilesAndTheEnvironment() throws {
    let bench = try RepoBench(fixture: "repo-v1")
    let file = bench.directory.path("address")
    try RepoBench.write(file, "  \(bench.repository)\n")
    let none = ["RESTIC_REPOSITORY": ""]
    let ways: [([String], [String: String])] = [
      (["-r", bench.repository, "snapshots"], none),
      (["snapshots", "-r\(bench.repository)"], none),
      (["snapshots", "--repo=local:\(bench.repository)"], none),
      (["--repository-file", file, "snapshots"], none),
      (["snapshots"], ["RESTIC_REPOSITORY": "", "RESTIC_REPOSITORY_FILE": file]),
      (["snapshots", "-r", bench.repository], ["RESTIC_REPOSITORY": "/nonexistent"]),
    ]
    for (arguments, variables) in ways { try bench.droverChecked(arguments, variables) }
    #expect(try bench.drover(["snapshots"], none).status == 1)
    #expect(try bench.drover(["-r", "a", "--repository-file", "b", "snapshots"]).status == 1)
  }

  @Test func passwordsComeFromManyPlaces() throws {
    let bench = try RepoBench(fixture: "repo-v1")
    let file = bench.directory.path("password")
    try RepoBench.write(file, "\u{feff} \(bench.password) \r\n")
    let none = ["RESTIC_PASSWORD": ""]
    func with(_ name: String, _ value: String) -> [String: String] {
      ["RESTIC_PASSWORD": "", name: value]
    }
    try bench.droverChecked(["-p", file, "snapshots"], none)
    try bench.droverChecked(
      ["snapshots", "--password-file=\(file)"], ["RESTIC_PASSWORD": "no"])
    try bench.droverChecked(["snapshots"], with("RESTIC_PASSWORD_FILE", file))
    let command = "echo '\(bench.password)'"
    try bench.droverChecked(["--password-command", command, "snapshots"], none)
    try bench.droverChecked(["snapshots"], with("RESTIC_PASSWORD_COMMAND", command))
    let typed = try bench.drover(["snapshots"], none, stdin: Array("\(bench.password)\nmore".utf8))
    #expect(typed.status == 0, "\(typed.errorText)")
    #expect(try bench.drover(["snapshots", "--password-command", "false"], none).status == 1)
    #expect(try bench.drover(["snapshots"], none).status == 1, "an empty password is refused")
    #expect(try bench.drover(["-p", file, "--password-command", command, "snapshots"]).status == 1)
  }

  @Test func theCacheIsForTheOwnerAlone() throws {
    let bench = try RepoBench(fixture: "repo-v1")
    func modes(_ paths: [String]) -> [mode_t] {
      paths.map { path in
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
      }
    }
    let own = bench.directory.path("a/b")
    try bench.droverChecked(["ls", "latest", "--cache-dir", own])
    let repository = "ec69564e9dff34688df57b5db5a7e1d175afccfa3cce1c51acbac117c205969e"
    let paths = [bench.directory.path("a"), own, "\(own)/\(repository)"]
    #expect(modes(paths) == [0o700, 0o700, 0o700])
    let tag = try ByteFiles.read(Array("\(own)/CACHEDIR.TAG".utf8))
    #expect(tag.starts(with: Array("Signature: 8a477f597d28d172789f06886806bc55".utf8)))
    #expect(access(bench.directory.path("cache"), F_OK) != 0)
    try bench.droverChecked(["ls", "latest", "--no-cache"])
    #expect(access(bench.directory.path("cache"), F_OK) != 0)
    try bench.droverChecked(["ls", "latest"])
    #expect(modes([bench.directory.path("cache/restic/\(repository)")]) == [0o700])
    // What restic keeps in the same place does not disturb.
    try runChecked(
      "restic", ["snapshots"],
      environment: [
        "RESTIC_PASSWORD": bench.password,
        "RESTIC_REPOSITORY": bench.repository, "XDG_CACHE_HOME": bench.directory.path("cache"),
      ])
    try bench.droverChecked(["ls", "latest"])
  }

  @Test func spellingsOfResticAreTaken() throws {
    let bench = try RepoBench(fixture: "repo-v1")
    let spellings: [[String]] = [
      ["-q", "--json=true", "snapshots"], ["snapshots", "--json", "--verbose=2", "-vv"],
      ["-o", "local.connections=4", "--json", "snapshots"], ["snapshots", "--json", "--no-lock"],
      ["--cacert", "/dev/null", "--insecure-tls", "--json", "snapshots", "--limit-download=1000"],
      [
        "snapshots", "--json", "--compression", "max", "--pack-size", "64", "--retry-lock", "1m30s",
      ],
      ["--json", "snapshots", "--quiet=false"], ["snapshots", "--cleanup-cache", "--json"],
    ]
    for arguments in spellings {
      let output = try bench.droverChecked(arguments).output
      #expect(try JSONValue(parsing: output).arrayValue?.count == 2, "\(arguments)")
    }
    let ignored = try bench.drover(["-o", "s3.region=x", "snapshots"])
    #expect(ignored.errorText.contains("-o s3.region=x"))
  }

  @Test(arguments: [
    ["repo"], ["repo", "snapshots"], ["repo", "init"], ["repo", "ls"], ["repo", "cat"],
  ])
  func helpHasExamples(command: [String]) throws {
    let help = try runChecked(DroverBinary.path, command + ["--help"]).outputText
    #expect(help.contains("Examples:"))
    #expect(help.contains("drover repo"))
  }
}
