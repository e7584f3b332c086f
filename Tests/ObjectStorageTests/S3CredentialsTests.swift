import ObjectStorage
import Platform
import TestSupport
import Testing

@Suite struct S3CredentialsTests {
  private func source(
    _ variables: [String: String], profile: String? = nil
  ) -> S3EnvironmentCredentials {
    S3EnvironmentCredentials(profile: profile) { variables[$0] }
  }

  private func secret(_ keys: S3Credentials?) -> String? {
    keys?.secret.withBytes { String(decoding: $0, as: UTF8.self) }
  }

  @Test func variablesCountFirst() throws {
    let keys = try source([
      "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t",
      "HOME": "/nowhere",
    ]).credentials(refreshing: false)
    #expect(keys?.accessKey == "a")
    #expect(secret(keys) == "s")
    #expect(keys?.sessionToken == "t")
    let old = try source(["AWS_ACCESS_KEY": "a", "AWS_SECRET_KEY": "s"])
      .credentials(refreshing: false)
    #expect(secret(old) == "s")
  }

  @Test(arguments: [
    ["AWS_ACCESS_KEY_ID": "a"], ["AWS_SECRET_ACCESS_KEY": "geheim"], [:],
    ["HOME": "/nowhere"], ["AWS_PROFILE": "x", "HOME": "/nowhere"],
  ])
  func withoutKeysThereIsAnError(_ variables: [String: String]) {
    let error = s3Failure { _ = try source(variables).credentials(refreshing: false) }
    #expect(error?.kind == .denied)
    #expect(error?.description.contains("geheim") == false)
  }

  @Test func sharedFilesHaveProfiles() throws {
    let directory = try TemporaryDirectory()
    let credentials = directory.path("credentials")
    try ByteFiles.write(
      Array(credentials.utf8),
      Array(
        """
        # keys
        [default]
        aws_access_key_id = A1
        aws_secret_access_key=s#1;x  # behind a blank
        region = from-credentials

        [ other ]
        aws_access_key_id = A2
        aws_secret_access_key = s2
        aws_session_token = t2
        [role]
        role_arn = arn:x
        source_profile = default
        """.utf8))
    let config = directory.path("config")
    try ByteFiles.write(
      Array(config.utf8),
      Array(
        """
        [default]
        region = eu-central-1
        s3 =
          addressing_style = path
        [profile third]
        aws_access_key_id = A3
        aws_secret_access_key = s3
        region = eu-north-1
        """.utf8))
    let files = ["AWS_SHARED_CREDENTIALS_FILE": credentials, "AWS_CONFIG_FILE": config]
    let first = try source(files).credentials(refreshing: false)
    #expect(first?.accessKey == "A1")
    #expect(secret(first) == "s#1;x")
    #expect(try source(files).region() == "eu-central-1")
    let other = source(files.merging(["AWS_PROFILE": "other"]) { $1 })
    #expect(try other.credentials(refreshing: false)?.sessionToken == "t2")
    let third = source(files, profile: "third")
    #expect(secret(try third.credentials(refreshing: false)) == "s3")
    #expect(try third.region() == "eu-north-1")
    #expect(
      s3Failure { _ = try source(files, profile: "role").credentials(refreshing: false) }?
        .message.contains("role_arn") == true)
    #expect(
      s3Failure { _ = try source(files, profile: "none").credentials(refreshing: false) } != nil)
  }

  /// A profile that is asked for by name counts before the variables.
  @Test func aNamedProfileCountsBeforeVariables() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("credentials")
    try ByteFiles.write(
      Array(path.utf8), Array("[p]\naws_access_key_id = A\naws_secret_access_key = B\n".utf8))
    let variables = [
      "AWS_SHARED_CREDENTIALS_FILE": path, "AWS_ACCESS_KEY_ID": "v", "AWS_SECRET_ACCESS_KEY": "v",
    ]
    #expect(try source(variables, profile: "p").credentials(refreshing: false)?.accessKey == "A")
    #expect(try source(variables).credentials(refreshing: false)?.accessKey == "v")
  }
}
