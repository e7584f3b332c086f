import HTTPClient
import Platform

/// A place in a bucket, as restic writes it behind `s3:`.
package struct S3Location: Sendable, Equatable, CustomStringConvertible {
  package var endpoint: S3Endpoint
  package var bucket: String
  /// Empty, or with a slash at the end.
  package var prefix: String

  package init(endpoint: S3Endpoint, bucket: String, prefix: String = "") {
    self.endpoint = endpoint
    self.bucket = bucket
    self.prefix = prefix
  }

  /// Reads what stands behind `s3:`: `http://host:port/bucket/prefix`, `https://…`, or
  /// `host/bucket/prefix` for https, also behind two slashes.
  /// - Throws: ``S3Error/configuration(_:)``; what it says repeats nothing of the text, which may
  ///   hold a password.
  package init(_ text: String) throws(S3Error) {
    var rest = text[...]
    let scheme = ["https://", "http://"].first { rest.hasPrefix($0) } ?? ""
    rest = rest.dropFirst(scheme.count)
    if scheme.isEmpty, rest.hasPrefix("//") { rest = rest.dropFirst(2) }
    var parts = rest.split(separator: "/", omittingEmptySubsequences: true).map(String.init)
    guard parts.count >= 2, !rest.hasPrefix("/") else {
      throw .configuration("behind 's3:' stand a host and a bucket: s3:https://host/bucket/prefix")
    }
    endpoint = try S3Endpoint(scheme + parts.removeFirst())
    bucket = parts.removeFirst()
    guard !parts.contains(where: { $0 == "." || $0 == ".." }) else {
      throw .configuration("the prefix in the bucket has a part . or ..")
    }
    prefix = parts.isEmpty ? "" : parts.joined(separator: "/") + "/"
    // Every key below it has to be one.
    do throws(ObjectStoreError) { _ = try ObjectPrefix(prefix) } catch {
      throw .configuration("the prefix in the bucket cannot be one of keys")
    }
  }

  package var description: String {
    "s3:\(endpoint)/\(printable("\(bucket)/\(prefix)".utf8.dropLast()))"
  }
}

/// What the way to a store takes besides its address.
package struct StoreSettings: Sendable {
  /// A variable of the environment that counts for the store; nil when it is not set or empty.
  package var variable: @Sendable (String) -> String?
  /// Settings by restic's names, such as `s3.storage-class`.
  package var options: [String: String] = [:]
  /// PEM of authorities to trust, besides the system's directory of them.
  package var certificates: [UInt8] = []
  package var verifiesServer = true
  package var userAgent: String?
  package var isCancelled: @Sendable () -> Bool

  package init(
    isCancelled: @escaping @Sendable () -> Bool = { false },
    variable: @escaping @Sendable (String) -> String? = { _ in nil }
  ) {
    self.isCancelled = isCancelled
    self.variable = variable
  }
}

extension S3Store {
  /// Attempts of one call; whoever stands before a store tries for longer.
  private static let attemptsMax = 4
  private static let certificateSizeBytesMax = 4 << 20

  /// The store at a place. Nothing is sent.
  /// - Throws: ``S3Error/configuration(_:)`` for settings that are wrong or not known.
  package convenience init(
    at location: S3Location, _ settings: StoreSettings
  ) throws(S3Error) {
    let values = try S3StoreValues(settings.options)
    var http = HTTPOptions()
    http.certificates = try S3Store.certificates(settings)
    http.verifiesServer = settings.verifiesServer
    http.isCancelled = settings.isCancelled
    http.idleCountMax = values.connectionsMax
    if let agent = settings.userAgent { http.userAgent = agent }
    let environment = S3EnvironmentCredentials(
      profile: values.profile, lookup: settings.variable)
    var options = S3Options(
      endpoint: location.endpoint,
      credentials: values.isAnonymous ? S3StaticCredentials(nil) : environment)
    if let region = values.region ?? settings.variable("AWS_REGION")
      ?? settings.variable("AWS_DEFAULT_REGION") ?? location.endpoint.amazonRegion
    {
      options.region = region
    } else if !values.isAnonymous {
      options.region = try environment.region() ?? ""
    }
    options.addressing = values.addressing
    options.listVersion = values.listsFirst ? .first : .auto
    options.connectionsMax = values.connectionsMax
    options.retry.attemptsMax = S3Store.attemptsMax
    options.isCancelled = settings.isCancelled
    var own = S3StoreOptions()
    own.attributes.storageClass = values.storageClass
    self.init(
      S3Client(options, http: HTTPClient(http)), bucket: location.bucket,
      prefix: location.prefix, options: own)
  }

  private static func certificates(_ settings: StoreSettings) throws(S3Error) -> [UInt8] {
    guard settings.certificates.isEmpty, let path = settings.variable("AWS_CA_BUNDLE") else {
      return settings.certificates
    }
    do throws(PlatformError) {
      return try SmallFile.read(path, sizeBytesMax: certificateSizeBytesMax)
    } catch {
      throw .configuration("AWS_CA_BUNDLE: \(error.message)")
    }
  }

  /// Makes the bucket, unless it can be used already.
  package func createBucket() throws(S3Error) { try client.createBucket(bucket) }
}

/// The settings `s3.…` that restic knows.
private struct S3StoreValues {
  var region: String?
  var profile: String?
  var storageClass: String?
  var addressing = S3Addressing.auto
  var listsFirst = false
  var isAnonymous = false
  var connectionsMax = 5

  private static let connectionsLimit = 256

  init(_ options: [String: String]) throws(S3Error) {
    for (name, value) in options.sorted(by: { $0.key < $1.key }) where name.hasPrefix("s3.") {
      switch name.dropFirst(3) {
      case "region": region = value
      case "profile": profile = value
      case "storage-class": storageClass = value.isEmpty ? nil : value
      case "bucket-lookup":
        guard let known = S3Addressing(rawValue: value.isEmpty ? "auto" : value) else {
          throw .configuration("s3.bucket-lookup is auto, dns or path")
        }
        addressing = known
      case "list-objects-v1": listsFirst = try S3StoreValues.flag(name, value)
      case "unsafe-anonymous-auth": isAnonymous = try S3StoreValues.flag(name, value)
      case "connections":
        guard let count = Int(value), (1...S3StoreValues.connectionsLimit).contains(count) else {
          throw .configuration("s3.connections is a number from 1 on")
        }
        connectionsMax = count
      // Attempts are limited otherwise here, and there is one layout.
      case "retries", "layout": break
      default: throw .configuration("\(printable(name.utf8)) is no setting of a store in S3")
      }
    }
  }

  private static func flag(_ name: String, _ value: String) throws(S3Error) -> Bool {
    switch value.lowercased() {
    case "", "true", "1", "t": return true
    case "false", "0", "f": return false
    default: throw .configuration("\(name) is true or false")
    }
  }
}
