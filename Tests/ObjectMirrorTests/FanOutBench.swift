import Glibc
import HTTPClient
import ObjectStorage
import Pipelines
import Platform
import Remotes
import TestSupport
import Testing

@testable import ObjectMirror

/// A source directory, and stores behind relays that can be told to fail.
final class FanOutBench {
  static let bucket = "bucket-1"

  let directory: TemporaryDirectory
  let source: String
  let servers: [RcloneServer]
  let proxies: [FaultProxy]
  var uploadCutoffBytes: Int64 = 200 << 20
  var options = MirrorOptions()

  init(_ serverCount: Int) throws {
    directory = try TemporaryDirectory()
    source = try directory.makeDirectory("source")
    servers = try (0..<serverCount).map { _ in try RcloneServer() }
    proxies = try servers.map { server in
      try server.makeBucket(FanOutBench.bucket)
      return try FaultProxy(targetPort: server.endpoint.port)
    }
    options.deletes = true
  }

  /// Writes a file of the source; its directory is made.
  @discardableResult
  func write(_ name: String, sizeBytes: Int, seed: UInt64 = 1) throws -> [UInt8] {
    var random = SeededGenerator(seed: seed &+ UInt64(name.utf8.reduce(0) { $0 + Int($1) }))
    let path = "\(source)/\(name)"
    if let slash = path.lastIndex(of: "/") { try runChecked("mkdir", ["-p", "\(path[..<slash])"]) }
    let bytes = random.bytes(sizeBytes)
    try ByteFiles.write(Array(path.utf8), bytes)
    try ByteFiles.setTime(
      Array(path.utf8), seconds: 1_600_000_000 + random.below(1000),
      nanoseconds: random.below(1_000_000_000))
    return bytes
  }

  /// Small files, one of them empty, in a few directories; gives their bytes in sum.
  func fillSmall(_ count: Int) throws -> Int64 {
    var sum: Int64 = 0
    for number in 0..<count {
      let size = number == 0 ? 0 : 500 + number * 37 % 5000
      try write("d\(number % 7)/f\(number)", sizeBytes: size, seed: UInt64(number))
      sum += Int64(size)
    }
    return sum
  }

  /// A prefix of a store, by way of its relay.
  func store(_ number: Int, _ path: String = "data") throws -> MirrorSide {
    let server = servers[number]
    return .store(
      try FanOutBench.store(server.endpoint.through(port: proxies[number].port), path) {
        $0.transfer.uploadCutoffBytes = uploadCutoffBytes
      })
  }

  static func store(
    _ endpoint: ServerEndpoint, _ path: String, attemptsMax: Int = 3,
    _ change: (inout S3RemoteOptions) -> Void = { _ in }
  ) throws -> StoreSide {
    var options = S3RemoteOptions()
    options.endpoint = endpoint.url
    options.region = endpoint.region
    options.credentials = .keys(
      id: endpoint.accessKey, secret: SecretText(endpoint.secretKey), sessionToken: nil)
    change(&options)
    var settings = StoreSideSettings()
    settings.http.proxy = .none
    settings.attemptsMax = attemptsMax
    return try StoreSide(options, BucketPath(bucket: bucket, path: path), settings)
  }

  func local(_ path: String, makes: Bool = false) throws -> MirrorSide {
    .local(try LocalSide(path: path, makes: makes))
  }

  /// Where the server of a store keeps what was put into it.
  func stored(_ number: Int, _ path: String = "data") -> String {
    "\(servers[number].dataDirectory)/\(FanOutBench.bucket)/\(path)"
  }

  /// What differs in names or contents; empty for nothing.
  func difference(_ first: String, _ second: String) throws -> String {
    try runProcess("diff", ["-rq", first, second]).outputText
  }

  func run(
    from source: MirrorSide? = nil, to destinations: [MirrorSide],
    observe: @escaping @Sendable (Int?, MirrorEvent) -> Void = { _, _ in }
  ) throws -> MirrorOutcome {
    try MirrorRun(
      from: try source ?? local(self.source), to: destinations, options, observe: observe
    ).run()
  }
}

/// Which destinations of a run have ended, for whoever waits for it.
final class EndWatch: @unchecked Sendable {
  private let lock = Lock()
  private let changed: Condition
  private var ended: [Int: DestinationOutcome] = [:]

  init() { changed = Condition(lock) }

  func note(_ destination: Int?, _ event: MirrorEvent) {
    guard let destination, case .ended(let outcome) = event else { return }
    lock.withLock {
      ended[destination] = outcome
      changed.broadcast()
    }
  }

  /// Blocks until these have ended.
  func wait(for destinations: [Int]) {
    lock.withLock {
      while !destinations.allSatisfy({ ended[$0] != nil }) { changed.wait() }
    }
  }

  var endedDestinations: Set<Int> { lock.withLock { Set(ended.keys) } }
}
