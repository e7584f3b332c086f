package import Platform

/// Keys for signing.
package struct S3Credentials: Sendable {
  package var accessKey: String
  package var secret: SecretBytes
  package var sessionToken: String?
  package var expires: WallTime?

  package init(
    accessKey: String, secret: SecretBytes, sessionToken: String? = nil, expires: WallTime? = nil
  ) {
    self.accessKey = accessKey
    self.secret = secret
    self.sessionToken = sessionToken
    self.expires = expires
  }

  package init(accessKey: String, secret: String, sessionToken: String? = nil) {
    self.init(
      accessKey: accessKey, secret: SecretBytes(Array(secret.utf8)), sessionToken: sessionToken)
  }
}

/// Where keys come from. Calls come from any thread and may block.
package protocol S3CredentialSource: Sendable {
  /// The keys to use now; nil for requests without a signature.
  ///
  /// `refreshing` says that the service calls the last ones expired: they are to be got anew.
  func credentials(refreshing: Bool) throws(S3Error) -> S3Credentials?
}

/// Keys that do not change.
package struct S3StaticCredentials: S3CredentialSource {
  private let value: S3Credentials?

  /// Nil signs nothing.
  package init(_ value: S3Credentials?) { self.value = value }

  package func credentials(refreshing: Bool) throws(S3Error) -> S3Credentials? { value }
}

/// The keys of `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` or, without
/// them, of the shared files `~/.aws/credentials` and `~/.aws/config`, whose section `AWS_PROFILE`
/// names.
///
/// The files are read again when keys have expired. Roles and processes that give keys are told as
/// not served.
package struct S3EnvironmentCredentials: S3CredentialSource {
  /// The value of a variable; nil when it is not set or empty.
  package typealias Lookup = @Sendable (String) -> String?

  private static let fileSizeBytesMax = 1 << 20

  private let lookup: Lookup
  private let profile: String?

  /// `profile` counts before `AWS_PROFILE`.
  package init(profile: String? = nil, lookup: @escaping Lookup) {
    self.profile = profile
    self.lookup = lookup
  }

  package func credentials(refreshing: Bool) throws(S3Error) -> S3Credentials? {
    if profile == nil, let own = try fromVariables() { return own }
    return try fromFiles()
  }

  private func fromVariables() throws(S3Error) -> S3Credentials? {
    let access = lookup("AWS_ACCESS_KEY_ID") ?? lookup("AWS_ACCESS_KEY")
    let secret = lookup("AWS_SECRET_ACCESS_KEY") ?? lookup("AWS_SECRET_KEY")
    switch (access, secret) {
    case (let access?, let secret?):
      return S3Credentials(
        accessKey: access, secret: secret, sessionToken: lookup("AWS_SESSION_TOKEN"))
    case (nil, nil): return nil
    case (.some, nil):
      throw .credentials(problem: "AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not")
    case (nil, .some):
      throw .credentials(problem: "AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is not")
    }
  }

  /// The profile's region, when the files name one.
  package func region() throws(S3Error) -> String? {
    let name = profile ?? lookup("AWS_PROFILE") ?? "default"
    for (sections, key) in try [(configFile(), configSection(name)), (credentialsFile(), name)] {
      if let region = sections?[key]?["region"], !region.isEmpty { return region }
    }
    return nil
  }

  private func fromFiles() throws(S3Error) -> S3Credentials? {
    let named = profile ?? lookup("AWS_PROFILE")
    let name = named ?? "default"
    let shared = try credentialsFile()?[name]
    let config = try configFile()?[configSection(name)]
    guard shared != nil || config != nil else {
      guard named != nil else {
        throw .credentials(problem: "neither variables nor shared files hold any")
      }
      throw .credentials(problem: "the shared files have no profile '\(printable(name.utf8))'")
    }
    for section in [shared, config].compactMap({ $0 }) {
      guard let access = section["aws_access_key_id"], !access.isEmpty,
        let secret = section["aws_secret_access_key"], !secret.isEmpty
      else { continue }
      let token = section["aws_session_token"].flatMap { $0.isEmpty ? nil : $0 }
      return S3Credentials(accessKey: access, secret: secret, sessionToken: token)
    }
    let other = ["role_arn", "credential_process", "sso_start_url", "sso_session"].first { key in
      shared?[key] != nil || config?[key] != nil
    }
    throw .credentials(
      problem: other.map { "a profile with \($0) is not served" }
        ?? "the profile '\(printable(name.utf8))' holds no keys")
  }

  private func configSection(_ name: String) -> String {
    name == "default" ? name : "profile \(name)"
  }

  private func credentialsFile() throws(S3Error) -> [String: [String: String]]? {
    try read(variable: "AWS_SHARED_CREDENTIALS_FILE", name: "credentials")
  }

  private func configFile() throws(S3Error) -> [String: [String: String]]? {
    try read(variable: "AWS_CONFIG_FILE", name: "config")
  }

  private func read(
    variable: String, name: String
  ) throws(S3Error) -> [String: [String: String]]? {
    guard let path = lookup(variable) ?? lookup("HOME").map({ "\($0)/.aws/\(name)" }) else {
      return nil
    }
    do throws(PlatformError) {
      let bytes = try SmallFile.read(
        path, sizeBytesMax: S3EnvironmentCredentials.fileSizeBytesMax)
      return S3SharedFile.sections(of: String(decoding: bytes, as: UTF8.self))
    } catch {
      if error.kind == .notFound { return nil }
      throw .credentials(problem: error.message)
    }
  }
}

/// The form of `~/.aws/credentials` and `~/.aws/config`.
enum S3SharedFile {
  /// Sections with their settings. Lines that are neither are passed over, as are the indented
  /// settings within a setting; a repeated section goes on with the first.
  static func sections(of text: String) -> [String: [String: String]] {
    var sections: [String: [String: String]] = [:]
    var current: String?
    for line in text.split(whereSeparator: \.isNewline) {
      guard let first = line.first, !first.isWhitespace, first != "#", first != ";" else {
        continue
      }
      if first == "[", let end = line.firstIndex(of: "]") {
        let name = line[line.index(after: line.startIndex)..<end]
          .split(whereSeparator: \.isWhitespace).joined(separator: " ")
        current = name
        sections[name, default: [:]] = sections[name] ?? [:]
      } else if let current, let equals = line.firstIndex(of: "=") {
        let key = trimmed(line[..<equals]).lowercased()
        sections[current]?[key] = trimmed(withoutComment(line[line.index(after: equals)...]))
      }
    }
    return sections
  }

  /// A comment within a line begins behind a blank.
  private static func withoutComment(_ value: Substring) -> Substring {
    var previous: Character = "="
    for index in value.indices {
      if value[index] == "#" || value[index] == ";", previous.isWhitespace {
        return value[..<index]
      }
      previous = value[index]
    }
    return value
  }

  private static func trimmed(_ text: Substring) -> String {
    var text = text
    while text.first?.isWhitespace == true { text = text.dropFirst() }
    while text.last?.isWhitespace == true { text = text.dropLast() }
    return String(text)
  }
}
