import Platform
import Remotes
import Testing

/// What a remote is follows from the file, the environment, the command line and itself.
@Suite struct RemoteConfigurationTests {
  static let text = """
    [s]
    type = s3
    provider = Other
    endpoint = http://file
    access_key_id = id
    secret_access_key = hush
    [al]
    type = alias
    remote = s:bucket/base
    [far]
    type = alias
    remote = al:deep
    [here]
    type = alias
    remote = /srv/data
    [round]
    type = alias
    remote = trip:x
    [trip]
    type = alias
    remote = round:y
    [self]
    type = alias
    remote = self:
    [empty]
    type = alias
    [secret]
    type = crypt
    remote = s:b
    [none]
    endpoint = x
    [my-r y]
    type = local
    """

  private func configuration(
    _ environment: [String: String] = [:], flags: [String: String] = [:]
  ) throws -> RemoteConfiguration {
    RemoteConfiguration(
      file: try ConfigFile(Array(RemoteConfigurationTests.text.utf8), path: "f"),
      environment: environment, flags: flags, workingDirectory: "/dir/here")
  }

  private func endpoint(
    _ remote: String = "s:b", _ environment: [String: String] = [:], flags: [String: String] = [:]
  ) throws -> String {
    let remote = try configuration(environment, flags: flags).remote(remote)
    guard case .s3(let options, _) = remote else { return "no s3" }
    return options.endpoint
  }

  @Test func theMostParticularPlaceWins() throws {
    var variables = ["RCLONE_ENDPOINT": "http://generic"]
    #expect(try endpoint("s:b", variables) == "http://file")
    variables["RCLONE_S3_ENDPOINT"] = "http://type"
    #expect(try endpoint("s:b", variables) == "http://type")
    variables["RCLONE_CONFIG_S_ENDPOINT"] = "http://own"
    #expect(try endpoint("s:b", variables) == "http://own")
    let flags = ["s3-endpoint": "http://flag"]
    #expect(try endpoint("s:b", variables, flags: flags) == "http://flag")
    #expect(
      try endpoint("s,endpoint='http://remote':b", variables, flags: flags) == "http://remote")
  }

  @Test func anEmptyVariableTakesTheDefaultBack() throws {
    #expect(try endpoint("s:b", ["RCLONE_CONFIG_S_ENDPOINT": ""]) == "")
    #expect(try endpoint("s:b", ["RCLONE_S3_ENDPOINT": ""]) == "")
    #expect(try endpoint("s,endpoint=:b") == "")
  }

  @Test func aRemoteMayStandInTheEnvironmentAlone() throws {
    let variables = [
      "RCLONE_CONFIG_NEW_TYPE": "s3", "RCLONE_CONFIG_NEW_ENDPOINT": "http://env",
      "RCLONE_CONFIG_S_TYPE": "local",
    ]
    for name in ["new", "NEW", "New"] {
      #expect(try endpoint("\(name):b", variables) == "http://env")
    }
    #expect(
      try configuration(variables).remote("s:b")
        == .local(path: "/dir/here/b", LocalRemoteOptions()))
    #expect(try configuration(variables).remoteNames.contains("new"))
  }

  @Test func variablesKeepTheNameOfTheRemoteAsItIs() throws {
    let variables = [
      "RCLONE_CONFIG_MY-R Y_TYPE": "s3", "RCLONE_CONFIG_MY-R Y_ENDPOINT": "http://v",
    ]
    #expect(try endpoint("my-r y:b", variables) == "http://v")
    #expect(
      try configuration(["RCLONE_CONFIG_MY_R_Y_TYPE": "s3"]).remote("my-r y:/")
        == .local(path: "/", LocalRemoteOptions()))
  }

  @Test func remotesWithoutASection() throws {
    #expect(try endpoint(":s3,endpoint='h:9':b") == "https://h:9")
    #expect(try endpoint("any,type=s3,endpoint=h:b") == "https://h")
    #expect(try endpoint(":s3:b", ["RCLONE_S3_ENDPOINT": "h"]) == "https://h")
    #expect(
      try configuration().remote(":local:a/../b")
        == .local(path: "/dir/here/b", LocalRemoteOptions()))
  }

  @Test(arguments: [
    ("x/./y/..", "/dir/here/x"), ("/a//b/", "/a/b"), ("..", "/dir"), (".", "/dir/here"),
    ("here:", "/srv/data"), ("here:x/../../y", "/srv/data/y"), ("/../a", "/a"),
    (":local:", "/dir/here"), ("here:/x", "/srv/data/x"),
  ])
  func localPathsAreAbsoluteAndClean(text: String, path: String) throws {
    #expect(try configuration().remote(text) == .local(path: path, LocalRemoteOptions()))
  }

  @Test(arguments: [
    ("s:bucket", "bucket", ""), ("s:/bucket/a/", "bucket", "a"), ("s:", "", ""),
    ("s:bucket/a b/..c", "bucket", "a b/..c"), ("al:", "bucket", "base"),
    ("al:x", "bucket", "base/x"), ("al:../../x", "bucket", "base/x"),
    ("far:z", "bucket", "base/deep/z"), ("here,remote='s:q':y", "q", "y"),
  ])
  func bucketsAndPaths(text: String, bucket: String, path: String) throws {
    guard case .s3(_, let place) = try configuration().remote(text) else {
      Issue.record("no bucket")
      return
    }
    #expect(place == BucketPath(bucket: bucket, path: path))
  }

  @Test(arguments: ["s:a//b", "s:a/./b", "s:a/../b", "s:..", "s:a/\0"])
  func disputedPathsAreRefused(text: String) throws {
    #expect(throws: RemoteError.self) { try configuration().remote(text) }
  }

  @Test func circlesOfAliasesAreFound() throws {
    #expect(throws: RemoteError.aliasLoop(names: ["round:", "trip:", "round:"])) {
      try configuration().remote("round:")
    }
    #expect(throws: RemoteError.aliasLoop(names: ["self:", "self:"])) {
      try configuration().remote("self:a")
    }
    #expect(throws: RemoteError.missingOption(remote: "empty", option: "remote")) {
      try configuration().remote("empty:")
    }
  }

  @Test func otherTypesAreRefusedByNameFileAndLine() throws {
    let error = #expect(throws: RemoteError.self) { try configuration().remote("secret:x") }
    let message = try #require(error?.message)
    #expect(message.hasPrefix("f:28: "))
    #expect(message.contains("\"crypt\""))
    #expect(error?.kind == .unsupported)
    #expect(throws: RemoteError.unknownRemote(name: "nosuch", file: "f")) {
      try configuration().remote("nosuch:x")
    }
    #expect(throws: RemoteError.unknownRemote(name: "none", file: "f")) {
      try configuration().remote("none:x")
    }
    #expect(throws: RemoteError.self) { try configuration().remote(":ftp:x") }
  }

  @Test func optionsOfLocalPaths() throws {
    let variables = ["RCLONE_COPY_LINKS": "1", "RCLONE_LOCAL_NO_CHECK_UPDATED": "true"]
    guard case .local(_, let options) = try configuration(variables).remote("/a") else { return }
    #expect(options.followsLinks)
    #expect(options.allowsChangingSources)
    #expect(!options.staysOnFileSystem)
    #expect(throws: RemoteError.self) {
      try configuration(["RCLONE_COPY_LINKS": "yes"]).remote("/a")
    }
  }

  @Test func nothingSecretShows() throws {
    let configuration = try configuration(["RCLONE_CONFIG_S_SESSION_TOKEN": "hush-hush"])
    let remote = try configuration.remote("s:b")
    var dumped = ""
    dump(remote, to: &dumped)
    dump(configuration, to: &dumped)
    dumped += "\(remote) \(String(reflecting: remote)) \(configuration)"
    #expect(!dumped.contains("hush"))
    guard case .s3(let options, _) = remote,
      case .keys(let id, let secret, let token) = options.credentials
    else {
      Issue.record("no keys")
      return
    }
    #expect(id == "id")
    #expect(secret.revealed == "hush")
    #expect(token?.revealed == "hush-hush")
    #expect(secret == SecretText("hush"))
    #expect(secret != SecretText("hust"))
  }
}
