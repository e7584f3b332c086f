/// How a bucket is named in a request.
package enum S3Addressing: String, Sendable, CaseIterable {
  /// In the host with Amazon, where the bucket's name can stand there; in the path elsewhere.
  case auto
  /// `http://host/bucket/key`
  case path
  /// `http://bucket.host/key`
  case host = "dns"
}

/// Where a service of S3 is.
package struct S3Endpoint: Sendable, Hashable, CustomStringConvertible {
  package var isSecure: Bool
  /// A name or an address; IPv6 in brackets.
  package var host: String
  /// Nil for the scheme's own.
  package var port: Int?
  /// Before the bucket: empty, or from a slash on without one at the end.
  package var path: String

  package init(isSecure: Bool, host: String, port: Int? = nil, path: String = "") {
    self.isSecure = isSecure
    self.host = host
    let standard = isSecure ? 443 : 80
    self.port = port == standard ? nil : port
    self.path = path
  }

  /// Reads `http://host:port/path`, `https://…`, or without a scheme, which is https then.
  /// - Throws: ``S3Error/configuration(_:)``.
  package init(_ text: String) throws(S3Error) {
    var rest = text[...]
    let isSecure = !rest.hasPrefix("http://")
    for scheme in ["https://", "http://"] where rest.hasPrefix(scheme) {
      rest = rest.dropFirst(scheme.count)
      break
    }
    let slash = rest.firstIndex(of: "/") ?? rest.endIndex
    var authority = rest[..<slash]
    var path = rest[slash...]
    while path.hasSuffix("/") { path = path.dropLast() }
    // The text may hold a password, so it is not repeated.
    guard !authority.contains("@") else {
      throw .configuration("an endpoint has no user and no password; keys are given apart")
    }
    var port: Int?
    if let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") {
      port = Int(authority[authority.index(after: colon)...])
      guard let port, (1...65_535).contains(port) else {
        throw .configuration("the endpoint has no valid port")
      }
      authority = authority[..<colon]
    }
    let isHost = !authority.isEmpty && authority.utf8.allSatisfy(S3Endpoint.isHostByte)
    let isPath = path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x3f && $0 != 0x23 }
    guard isHost, isPath else { throw .configuration("the endpoint is not a host and a path") }
    self.init(
      isSecure: isSecure, host: authority.lowercased(), port: port,
      path: S3Encoding.path(String(path)))
  }

  private static func isHostByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
    default: "-._[]:".utf8.contains(byte)
    }
  }

  package var description: String { "\(isSecure ? "https" : "http")://\(hostText())\(path)" }

  /// What the header `Host` says.
  func hostText(bucket: String? = nil) -> String {
    (bucket.map { "\($0)." } ?? "") + host + (port.map { ":\($0)" } ?? "")
  }

  /// Whether a bucket's name goes into the host.
  func namesInHost(_ bucket: String, _ addressing: S3Addressing) -> Bool {
    switch addressing {
    case .path: false
    case .host: true
    case .auto:
      // A dot in the name would not be covered by the certificate's asterisk.
      isAmazon && S3Endpoint.isHostLabel(bucket) && !(isSecure && bucket.contains("."))
    }
  }

  private static func isHostLabel(_ bucket: String) -> Bool {
    (3...63).contains(bucket.utf8.count)
      && bucket.utf8.allSatisfy { byte in
        (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte) || byte == 0x2d || byte == 0x2e
      }
  }

  // MARK: Amazon

  private var amazonSuffix: String? {
    [".amazonaws.com", ".amazonaws.com.cn"].first { host.hasSuffix($0) }
  }

  package var isAmazon: Bool { amazonSuffix != nil && host.hasPrefix("s3") }

  /// The region that Amazon's host names hold: `s3.eu-west-1.amazonaws.com`, `s3-eu-west-1.…`.
  package var amazonRegion: String? {
    guard isAmazon, let suffix = amazonSuffix else { return nil }
    var middle = host.dropLast(suffix.count).dropFirst(2)
    if middle.hasPrefix(".dualstack") { middle = middle.dropFirst(10) }
    guard let mark = middle.first, mark == "." || mark == "-" else { return nil }
    let region = String(middle.dropFirst())
    return S3Endpoint.isRegion(region) ? region : nil
  }

  /// The endpoint of another region. Other services keep theirs: the region is then a name for the
  /// signature alone. Nothing of an answer but the checked region goes into the host.
  func moved(to region: String) -> S3Endpoint {
    guard isAmazon, let suffix = amazonSuffix, S3Endpoint.isRegion(region) else { return self }
    var moved = self
    moved.host = "s3.\(region)\(suffix)"
    return moved
  }

  static func isRegion(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x5f: true
        default: false
        }
      }
  }
}
