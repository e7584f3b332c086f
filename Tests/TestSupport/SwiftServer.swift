import Glibc
import Platform

/// OpenStack Swift with its S3 interface: a store that refuses what a strict one does. Slow for
/// each request, so a few hundred objects are a lot.
///
/// It takes seconds to start, so tests share one, each with buckets of its own:
///
///     let server = try SwiftServer.shared
///     let bucket = try server.makeFreshBucket()
package final class SwiftServer: BucketServer, @unchecked Sendable {
  package let endpoint: ServerEndpoint
  private let directory: String
  private let child: ChildProcess
  private let client: RcloneClient
  private let lock = Lock()
  private var bucketCount = 0

  private static let sharedResult = Result { try SwiftServer() }

  /// The one of this test process, started when it is first asked for; it ends, and its directory
  /// goes, when the process ends, however it ends.
  package static var shared: SwiftServer {
    get throws { try sharedResult.get() }
  }

  /// Starts the daemons below `TMPDIR` (`/tmp` when unset), which has to take user attributes, and
  /// waits until they answer. The last holder ends them.
  package init() throws {
    let parent = environmentValue("TMPDIR") ?? "/tmp"
    var template = Array("\(parent)/drover-swift.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw PlatformError.last("mkdtemp", parent) }
    directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // It ends, and removes its directory, at the end of its standard input: when we end.
    child = try ChildProcess(
      "\(InstalledServers.project)/tools/serve-swift", ["--remove", directory],
      environment: ["DROVER_SERVERS": InstalledServers.directory])
    guard let line = child.nextLine(timeoutSeconds: 120), let found = SwiftServer.endpoint(of: line)
    else {
      child.closeInput()
      _ = child.wait(timeoutSeconds: 30)
      removeTree(directory)
      throw TestFailure("Swift did not start: \(child.errorOutput.text.suffix(4000))")
    }
    endpoint = found
    client = try RcloneClient(.current, found)
  }

  deinit {
    child.closeInput()
    _ = child.wait(timeoutSeconds: 60)
  }

  /// The process that started the daemons and ends with them.
  package var processID: pid_t { child.processID }

  /// What the daemons complained about so far; for the message of a failed test.
  package var log: String { String(child.errorOutput.text.suffix(4000)) }

  package func makeBucket(_ name: String) throws {
    let result = try client.run(["mkdir", client.remote(name)])
    guard result.status == 0 else {
      throw TestFailure("no bucket \(name) in Swift: \(result.errorText)\n\(log)")
    }
  }

  /// Makes a bucket that no other test of this process has, and gives its name.
  package func makeFreshBucket() throws -> String {
    let number = lock.withLock {
      bucketCount += 1
      return bucketCount
    }
    let name = "bucket-\(number)"
    try makeBucket(name)
    return name
  }

  private static func endpoint(of line: String) -> ServerEndpoint? {
    do {
      guard let object = try JSONValue(parsing: Array(line.utf8)).objectValue,
        let port = UInt16(try object.string("endpoint").split(separator: ":").last ?? "")
      else { return nil }
      return ServerEndpoint(
        port: port, accessKey: try object.string("access_key"),
        secretKey: try object.string("secret_key"), region: try object.string("region"))
    } catch {
      // What it says instead of the line is told with its log.
      return nil
    }
  }
}
