import Glibc
import Platform
import TestSupport
import Testing

/// `kill -9` of an upload in parts at any moment: it comes to its end without a part that the store
/// had confirmed going out again, and nothing of it stays behind.
@Suite(.serialized) struct MirrorResumeTests {
  @Test func aKilledUploadSendsNoConfirmedPartAgain() throws {
    let bench = try ResumeBench(
      seed: 0x0b5e55ed, sizeBytes: SampledCounts.count(sampled: 96 << 20, full: 2 << 30) + 12_345,
      partSizeMiB: SampledCounts.count(sampled: 5, full: 16))
    let killCount = SampledCounts.count(sampled: 6, full: 20)
    for round in 0..<killCount {
      let problem = try bench.kill(round: round, of: killCount)
      #expect(problem == "", "round \(round)")
    }
    try bench.finish()
    #expect(bench.partsSentAgain == [], "\(bench.evidence)")
    #expect(try bench.leftUploads() == "", "\(bench.evidence)")
    #expect(try bench.notes() == [], "\(bench.evidence)")
    // Kills before anything happens, or after all, would prove nothing.
    #expect(bench.hits == killCount, "\(bench.evidence)")
    #expect(bench.hitsAmongParts * 2 >= killCount, "\(bench.evidence)")
    if SampledCounts.isFull { print("resumed uploads: \(bench.evidence)") }
  }

  /// The object is there, and nobody was told: the next run finds that out without sending it.
  @Test func anUploadKilledWhileItIsCompletedIsDone() throws {
    let bench = try ResumeBench(seed: 0xc0de, sizeBytes: 12 << 20, partSizeMiB: 5)
    bench.proxy.setPlan(.always(.stall(.beforeResponse), on: [.completeUpload]))
    let child = try bench.start()
    while bench.proxy.stalledCount == 0, child.isRunning { SystemClock().sleep(seconds: 0.01) }
    child.kill(SIGKILL)
    #expect(child.wait() == 128 + SIGKILL)
    bench.proxy.releaseStalled()
    bench.proxy.setPlan(.none)
    let before = bench.proxy.count(of: .uploadPart)
    // Whatever is there is sent again, so this has to find the object by itself.
    try bench.finish(["--ignore-times"])
    #expect(bench.proxy.count(of: .uploadPart) == before)
    #expect(try bench.leftUploads() == "")
    #expect(try bench.notes() == [])
  }

  /// The answer that names the upload is lost, once for a process that lives on and once for one
  /// that does not.
  @Test func anUploadWhoseNameWasNeverToldIsGivenUp() throws {
    let bench = try ResumeBench(seed: 0xfa11, sizeBytes: 12 << 20, partSizeMiB: 5)
    bench.proxy.setPlan(.always(.stall(.beforeResponse), on: [.createUpload]))
    let child = try bench.start()
    while bench.proxy.stalledCount == 0, child.isRunning { SystemClock().sleep(seconds: 0.01) }
    child.kill(SIGKILL)
    #expect(child.wait() == 128 + SIGKILL)
    #expect(try bench.leftUploads() != "")
    bench.proxy.setPlan(.once(.reset(.beforeResponse), on: .createUpload, number: 1))
    try bench.finish()
    #expect(bench.proxy.count(of: .createUpload) == 3)
    #expect(bench.proxy.count(of: .abortUpload) == 2)
    #expect(try bench.leftUploads() == "")
    #expect(try bench.notes() == [])
  }

  /// A file that is another one, or no more there, needs nothing of what was sent of the old one.
  @Test func whatNobodyNeedsIsGivenUp() throws {
    let bench = try ResumeBench(seed: 0x90e, sizeBytes: 40 << 20, partSizeMiB: 5)
    try bench.killAmongParts(afterCount: 2)
    #expect(try bench.leftUploads() != "")
    try bench.writeSource(20 << 20)
    try bench.finish()
    #expect(try bench.leftUploads() == "")
    #expect(try bench.notes() == [])
    try bench.writeSource(40 << 20)
    try bench.killAmongParts(afterCount: 2)
    #expect(try bench.notes().count == 1)
    // Another source is not its business, as long as the file is there.
    let other = try bench.mirror.directory.makeDirectory("other")
    try ByteFiles.write(Array("\(other)/small".utf8), [1])
    try bench.run(["copy", other, bench.remote])
    #expect(try bench.notes().count == 1)
    unlink(bench.path)
    try ByteFiles.write(Array("\(bench.mirror.source)/small".utf8), [1])
    try bench.run(["copy", bench.mirror.source, bench.remote])
    #expect(try bench.leftUploads() == "")
    #expect(try bench.notes() == [])
  }

  /// Notes that are none are told once each, and stop nobody.
  @Test func aDamagedNoteIsToldAndPassedOver() throws {
    let bench = try ResumeBench(seed: 0xbad, sizeBytes: 30 << 20, partSizeMiB: 5)
    try bench.killAmongParts(afterCount: 2)
    let name = try #require(try bench.notes().first)
    let note = Array("\(bench.state)/\(name)".utf8)
    var bytes = try ByteFiles.read(note)
    bytes[bytes.count / 2] ^= 1
    try ByteFiles.write(note, bytes)
    let result = try bench.run(["sync", bench.mirror.source, bench.remote])
    let told = result.errorText.split(separator: "\n").filter { $0.contains("is ignored") }
    #expect(told.count == 1, "\(result.errorText)")
    try bench.compare()
    #expect(try bench.notes() == [])
  }
}

/// A file of one directory that goes to a strict store in parts, through a relay that writes down
/// what is sent.
private final class ResumeBench {
  let mirror: MirrorBench
  let proxy: FaultProxy
  let client: RcloneClient
  /// Past the relay.
  private let judge: RcloneClient
  let path: String
  let state: String
  private var random: SeededGenerator
  private let partCount: Int
  /// The count of requests at the start of each run.
  private var starts: [Int] = []
  private(set) var hits = 0
  private(set) var hitsAmongParts = 0
  private var usualSeconds = 0.5

  init(seed: UInt64, sizeBytes: Int, partSizeMiB: Int) throws {
    mirror = try MirrorBench.swift()
    proxy = try FaultProxy(targetPort: mirror.server.endpoint.port)
    let settings = ["upload_cutoff = 5M", "chunk_size = \(partSizeMiB)M"]
    client = try RcloneClient(
      .current, mirror.server.endpoint.through(port: proxy.port), settings: settings)
    judge = try mirror.client(.current)
    path = "\(mirror.source)/large.bin"
    state = mirror.directory.path("state/uploads")
    random = SeededGenerator(seed: seed)
    partCount = (sizeBytes + (partSizeMiB << 20) - 1) / (partSizeMiB << 20)
    try writeSource(sizeBytes)
  }

  var remote: String { mirror.remote("resumed") }

  func writeSource(_ sizeBytes: Int) throws {
    unlink(path)
    let raw = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard raw >= 0 else { throw PlatformError.last("open", path) }
    let file = Descriptor(owning: raw)
    var offset = 0
    while offset < sizeBytes {
      let count = min(8 << 20, sizeBytes - offset)
      try FileIO.write(file.raw, random.bytes(count), at: Int64(offset))
      offset += count
    }
  }

  private var environment: [String: String] {
    ["DROVER_STATE_DIR": mirror.directory.path("state")]
  }

  func start() throws -> ChildProcess {
    starts.append(proxy.requestCount)
    return try ChildProcess(
      try DroverBinary.path, ["mirror", "sync", mirror.source, remote],
      environment: [
        "RCLONE_CONFIG": client.configurationPath, "no_proxy": "127.0.0.1", "AWS_CA_BUNDLE": "",
        "DROVER_STATE_DIR": mirror.directory.path("state"),
      ])
  }

  @discardableResult
  func run(_ arguments: [String]) throws -> ProcessResult {
    starts.append(proxy.requestCount)
    return try mirror.droverChecked(arguments, client, environment)
  }

  // MARK: Kills

  /// Kills a run at a moment of its own; gives what is wrong with that.
  func kill(round: Int, of killCount: Int) throws -> String {
    let before = confirmed.count
    // As many parts as leave some for the kills to come, or a moment at the start.
    let share = max(1, 2 * (partCount - before) / (killCount - round + 1))
    let wanted = random.chance(0.2) ? -1 : random.below(share)
    let delay = Double(random.below(1000)) / 1000
    let child = try start()
    let begun = MonotonicTime.now()
    if wanted < 0 {
      SystemClock().sleep(seconds: delay * usualSeconds)
    } else {
      while child.isRunning, confirmed.count < before + wanted {
        SystemClock().sleep(seconds: 0.002)
      }
      usualSeconds = min(usualSeconds, MonotonicTime.now().seconds(since: begun))
      SystemClock().sleep(seconds: delay * 0.2)
    }
    child.kill(SIGKILL)
    let status = child.wait()
    guard status == 128 + SIGKILL else {
      return "it ended with \(status ?? -1): \(child.errorOutput.text)"
    }
    hits += 1
    if confirmed.count > before { hitsAmongParts += 1 }
    return ""
  }

  func killAmongParts(afterCount count: Int) throws {
    let before = confirmed.count
    let child = try start()
    while child.isRunning, confirmed.count < before + count { SystemClock().sleep(seconds: 0.002) }
    child.kill(SIGKILL)
    guard child.wait() == 128 + SIGKILL else {
      throw TestFailure("the upload came to its end: \(child.errorOutput.text)")
    }
  }

  /// Lets a run come to its end and compares.
  func finish(_ options: [String] = []) throws {
    try run(["sync", mirror.source, remote] + options)
    try compare()
  }

  func compare() throws {
    try judge.runChecked(["check", "--download", mirror.source, remote])
    let work = try mirror.work(judge, mirror.source, remote)
    guard work == "" else { throw TestFailure("rclone would still do: \(work)") }
  }

  // MARK: What was sent

  private var confirmed: [RecordedRequest] {
    proxy.requests.filter { $0.kind == .uploadPart && $0.status == 200 }
  }

  /// The parts that went out although the store had confirmed them to the run, or to the relay
  /// before the run began.
  var partsSentAgain: [String] {
    var found: [String] = []
    var known: [String: (number: Int, answered: Int)] = [:]
    for (number, request) in proxy.requests.enumerated() where request.kind == .uploadPart {
      // Whatever upload it belongs to: the bytes are the same.
      let part = String(request.target.split(separator: "partNumber=")[1].prefix { $0.isNumber })
      if let earlier = known[part] {
        // What was confirmed after the next run had begun, nobody could know.
        let start = starts.last { $0 <= number } ?? 0
        let limit = earlier.number >= start ? number : start
        if earlier.answered <= limit { found.append(request.target) }
      }
      if request.status == 200, let answered = request.answeredAfterCount {
        known[part] = (number, answered)
      }
    }
    return found
  }

  /// What the store itself calls unfinished.
  func leftUploads() throws -> String {
    let text = try judge.runChecked(
      ["backend", "list-multipart-uploads", mirror.remote("").dropLast().description]
    ).outputText
    return text.contains("UploadId") ? text : ""
  }

  func notes() throws -> [String] {
    guard access(state, F_OK) == 0 else { return [] }
    return try ByteFiles.names(in: Array(state.utf8)).map { String(decoding: $0, as: UTF8.self) }
      .filter { !$0.hasSuffix(".lock") }
  }

  var evidence: String {
    "\(hits) kills, \(hitsAmongParts) among the parts; \(partCount) parts,"
      + " \(proxy.count(of: .uploadPart)) requests for parts, \(confirmed.count) confirmed,"
      + " \(proxy.count(of: .createUpload)) uploads begun, \(proxy.count(of: .abortUpload)) aborted"
  }
}
