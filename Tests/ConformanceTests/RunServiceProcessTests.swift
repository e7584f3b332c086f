import Glibc
import Platform
import TestSupport
import Testing

/// `drover run` as a service: the program itself, with real movers.
@Suite struct RunServiceProcessTests {
  private let trees: TemporaryDirectory
  private let source: String
  private let destination: String

  init() throws {
    trees = try TemporaryDirectory()
    source = try trees.makeDirectory("source")
    destination = try trees.makeDirectory("destination")
  }

  private var pair: String {
    """
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationDestination
    metadata: {name: d}
    spec: {rsyncTLS: {copyMethod: Direct, destinationPVC: '\(destination)'}}
    ---
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationSource
    metadata: {name: s}
    spec: {sourcePVC: '\(source)', rsyncTLS: {copyMethod: Direct}}

    """
  }

  private func start(_ manifests: String) throws -> ChildProcess {
    let child = try ChildProcess(
      try DroverBinary.path, ["run", "-f", "-", "-o", "json"], environment: ["TZ": "UTC"])
    child.writeInput(Array(manifests.utf8))
    child.closeInput()
    return child
  }

  private func arrives(_ content: String, _ service: ChildProcess) throws {
    try ByteFiles.write(Array("\(source)/file".utf8), Array(content.utf8))
    let copy = Array("\(destination)/file".utf8)
    let deadline = MonotonicTime.now().advanced(bySeconds: 120)
    while true {
      // Not there yet, or being replaced.
      if let found = try? ByteFiles.read(copy), found == Array(content.utf8) { return }
      guard MonotonicTime.now() < deadline, service.isRunning else {
        Issue.record("\(content) does not arrive: \(service.errorOutput.text.suffix(2000))")
        return
      }
      usleep(5000)
    }
  }

  /// Waits until the source has another run that counts: what has arrived may be of one that is not
  /// complete, and runs that fail one after the other come ever later.
  private func completes(_ service: ChildProcess) {
    func count() -> Int { service.errorOutput.text.split(separator: "s: done\n").count }
    let before = count()
    let deadline = MonotonicTime.now().advanced(bySeconds: 120)
    while count() == before, MonotonicTime.now() < deadline, service.isRunning { usleep(5000) }
  }

  /// Ends the service by SIGTERM; gives its exit code and the status of each object.
  private func end(_ service: ChildProcess) throws -> (code: Int32?, status: [String: JSONObject]) {
    service.kill(SIGTERM)
    let code = service.wait(timeoutSeconds: 60)
    let document = try JSONValue(parsing: service.output.bytesToEnd(timeoutSeconds: 60))
    var status: [String: JSONObject] = [:]
    let items = document.objectValue?["items"]?.arrayValue ?? [document]
    for object in items.compactMap(\.objectValue) {
      let name = object["metadata"]?.objectValue?["name"]?.stringValue ?? ""
      status[name] = object["status"]?.objectValue
    }
    return (code, status)
  }

  /// The program's own children: the movers under way.
  private func children(of service: ChildProcess) throws -> [pid_t] {
    let path = "/proc/\(service.processID)/task"
    var found: [pid_t] = []
    for thread in try ByteFiles.names(in: Array(path.utf8)) {
      let file = "\(path)/\(String(decoding: thread, as: UTF8.self))/children"
      // A thread that has ended meanwhile has none.
      let text = (try? SmallFile.read(file, sizeBytesMax: 1 << 16)) ?? []
      found += String(decoding: text, as: UTF8.self).split(separator: " ").compactMap { pid_t($0) }
    }
    return found
  }

  @Test func aPairGoesOnUntilItIsEnded() throws {
    let service = try start(pair)
    for round in 1...5 { try arrives("content \(round)", service) }
    let (code, status) = try end(service)
    // A session may have been under way.
    #expect(code == 0 || code == 130, "\(service.errorOutput.text)")
    for name in ["s", "d"] { #expect(status[name]?["lastSyncTime"] != nil) }
    #expect(try leftovers() == [])
  }

  @Test func aMoverThatIsKilledCostsOneRun() throws {
    let service = try start(pair)
    try arrives("before", service)
    for round in 1...SampledCounts.count(sampled: 2, full: 10) {
      completes(service)
      for child in try children(of: service) { kill(child, SIGKILL) }
      try arrives("after kill \(round)", service)
    }
    let movers = try children(of: service)
    let (code, _) = try end(service)
    #expect(code == 0 || code == 130, "\(service.errorOutput.text)")
    for mover in movers { #expect(kill(mover, 0) != 0 && errno == ESRCH) }
  }

  @Test func whatFailsSaysSoAndTheOthersGoOn() throws {
    let service = try start(
      pair + """
        ---
        apiVersion: v1
        kind: Secret
        metadata: {name: nowhere}
        stringData: {RESTIC_REPOSITORY: '/proc/nowhere', RESTIC_PASSWORD: x}
        ---
        apiVersion: volsync.backube/v1alpha1
        kind: ReplicationSource
        metadata: {name: lost}
        spec:
          sourcePVC: '\(source)'
          trigger: {schedule: '@yearly'}
          restic: {repository: nowhere, copyMethod: Direct}

        """)
    for round in 1...3 { try arrives("content \(round)", service) }
    let deadline = MonotonicTime.now().advanced(bySeconds: 120)
    while !service.errorOutput.text.contains("lost: next run after"), service.isRunning,
      MonotonicTime.now() < deadline
    {
      usleep(5000)
    }
    #expect(service.errorOutput.text.contains("lost: failed:"))
    let (_, status) = try end(service)
    let lost = try #require(status["lost"])
    #expect(lost["latestMoverStatus"]?.objectValue?["result"] == .string("Failed"))
    #expect(lost["drover"]?.objectValue?["failedRuns"] == .integer(1))
    #expect(lost["nextSyncTime"]?.stringValue?.hasSuffix("-01-01T00:00:00Z") == true)
    #expect(lost["lastSyncTime"] == nil)
  }

  private func leftovers() throws -> [String] {
    try ByteFiles.walk(Array(destination.utf8)).map { String(decoding: $0, as: UTF8.self) }
      .filter { $0.contains(".~drover") }
  }
}
