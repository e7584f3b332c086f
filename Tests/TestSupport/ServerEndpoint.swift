/// Where an S3 server answers, and the only user it knows.
package struct ServerEndpoint: Sendable, Equatable {
  /// On 127.0.0.1.
  package var port: UInt16
  package var accessKey: String
  package var secretKey: String
  package var region: String
  /// HTTPS in place of plain HTTP.
  package var isSecure = false

  package init(
    port: UInt16, accessKey: String, secretKey: String, region: String = "us-east-1"
  ) {
    self.port = port
    self.accessKey = accessKey
    self.secretKey = secretKey
    self.region = region
  }

  /// Buckets are the first part of the path below it.
  package var url: String { "\(isSecure ? "https" : "http")://127.0.0.1:\(port)" }

  /// The same server and user by way of a relay that listens on `port`.
  package func through(port: UInt16) -> ServerEndpoint {
    var result = self
    result.port = port
    return result
  }
}

/// A server that keeps objects in buckets.
package protocol BucketServer: AnyObject, Sendable {
  var endpoint: ServerEndpoint { get }

  /// Makes a bucket, named by three or more lower-case letters, digits and `-`.
  func makeBucket(_ name: String) throws
}
