/// Where an S3 server answers, and the only user it knows.
package struct ServerEndpoint: Sendable, Equatable {
  /// On 127.0.0.1, plain HTTP.
  package var port: UInt16
  package var accessKey: String
  package var secretKey: String
  package var region: String

  /// Buckets are the first part of the path below it.
  package var url: String { "http://127.0.0.1:\(port)" }

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
