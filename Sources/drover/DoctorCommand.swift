import ArgumentParser
import Control
import Cryptography
import Glibc
import HTTPClient
import Manifests
import Movers
import Observation
import Platform
import StateStore
import Transport

/// `drover doctor`: is everything as it has to be?
struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Check keys, addresses, stores, volumes, the clock and the schedules.",
    discussion: """
      One line for each check: ok, warn or fail, what was found, and what to do. Nothing is \
      changed; an address or a store is given 15 s. The exit code is 1 when a check has failed.
      """)

  private static let threadCountMax = 8

  @Flag(help: "Print one JSON object a line.")
  var json = false

  @Flag(help: "Leave out what is in order.")
  var quiet = false

  @OptionGroup var options: StateOptions

  func run() throws {
    let path = try options.path()
    let now = WallTime.now()
    let host = HostChecks(now: now)
    let report = HealthReport(isJSON: json, isQuiet: quiet)
    report.add(DoctorCommand.versions)
    report.add(host.stateDirectory(path))
    guard access(path, F_OK) == 0 else { return try report.end() }
    let client = try options.client()
    let list = try client.list(namespace: options.namespace)
    let hasDaemon = client.hasDaemon
    report.add(host.clock(newest: DoctorCommand.newestTime(in: list)))
    report.add(DoctorCommand.daemon(hasDaemon, list))
    for problem in list.problems {
      report.add(HealthCheck(.fail, "objects", problem.description))
    }
    let set = DoctorCommand.set(of: list)
    let planner = RunPlanner(
      set, served: MoverRegistry<MoverRequest>.standard().sections,
      cacheDirectory: RepoCache.standardPath, keys: .always)
    let (plan, problems) = planner.planEach()
    for object in set.objects {
      guard let spec = object.manifest as? any Replication, spec.mover != nil else { continue }
      let name = object.key.doctorName
      let status = ReplicationStatus(
        document: object.document["status"]?.objectValue ?? JSONObject(), section: nil)
      report.add(
        ScheduleCheck(status, isPaused: spec.isPaused, hasDaemon: hasDaemon)
          .judge("\(name) schedule", at: now))
      for problem in problems[object.key] ?? [] {
        report.add(HealthCheck(.fail, name, problem.text))
      }
    }
    let ends = (plan.destinations + plan.sources).filter { problems[$0.key] == nil }
    let doctors = ends.map { EndDoctor($0, name: $0.key.doctorName, isServed: hasDaemon) }
    for checks in try DoctorCommand.inThreads(doctors, now) { report.add(checks) }
    try report.end()
  }

  // MARK: Checks

  private static var versions: [HealthCheck] {
    var checks = [
      HealthCheck(
        .ok, "versions",
        "drover \(droverVersion), \(openSSLVersion), curl \(curlVersion)")
    ]
    for (program, use) in [
      ("ssh", "rsync sections"), ("sshd", "rsync destinations"), ("rsync", "stock peers"),
    ] {
      let path = SystemProgram.find(program)
      checks.append(
        HealthCheck(
          path == nil ? .warn : .ok, program,
          path ?? "not installed: only needed for \(use)"))
    }
    return checks
  }

  private static func daemon(_ hasDaemon: Bool, _ list: ObjectList) -> HealthCheck {
    if hasDaemon { return HealthCheck(.ok, "daemon", "it answers") }
    let isNeeded = list.objects.contains {
      [ReplicationSource.uniqueKind, ReplicationDestination.uniqueKind].contains($0.key.kind)
    }
    return HealthCheck(
      isNeeded ? .fail : .warn, "daemon", "none runs here",
      advice: "Start it: drover daemon, or systemctl start drover.")
  }

  private static func newestTime(in list: ObjectList) -> WallTime? {
    list.objects.compactMap { object in
      object.document["status"]?.objectValue?["lastSyncTime"]?.stringValue
        .flatMap(WallTime.init(rfc3339:))
    }.max()
  }

  /// The objects as they would be read from files, each with its status.
  private static func set(of list: ObjectList) -> ManifestSet {
    let files = list.objects.map { object in
      (
        name: "\(object.key.namespace ?? "_cluster")/\(object.key.kind)/\(object.key.name)",
        text: JSONValue.object(object.document).encoded()
      )
    }
    return ManifestLoader().decodeEach(files).set
  }

  /// In the order given.
  private static func inThreads(
    _ doctors: [EndDoctor], _ now: WallTime
  ) throws -> [[HealthCheck]] {
    let count = min(threadCountMax, max(1, doctors.count))
    let threads = (0..<count).map { number in
      Thread("doctor") {
        stride(from: number, to: doctors.count, by: count).map {
          ($0, doctors[$0].checks(now: now))
        }
      }
    }
    var all: [(Int, [HealthCheck])] = []
    for thread in threads { all += try thread.join() }
    return all.sorted { $0.0 < $1.0 }.map(\.1)
  }
}

/// Prints checks, and remembers whether one has failed.
private final class HealthReport {
  private let isJSON: Bool
  private let isQuiet: Bool
  private var hasFailed = false

  init(isJSON: Bool, isQuiet: Bool) {
    self.isJSON = isJSON
    self.isQuiet = isQuiet
  }

  func add(_ checks: [HealthCheck]) { for check in checks { add(check) } }

  func add(_ check: HealthCheck) {
    if check.level == .fail { hasFailed = true }
    if isQuiet, check.level == .ok { return }
    Console.standard.print(
      isJSON
        ? String(decoding: JSONValue.object(check.document).encoded(), as: UTF8.self)
        : check.line)
    Console.standard.flush()
  }

  /// - Throws: the exit code 1 when a check has failed.
  func end() throws {
    Console.standard.flush()
    if hasFailed { throw ExitCode(ExitStatus.failed.rawValue) }
  }
}

extension ObjectKey {
  /// `rs/data`, with the namespace where it is not the usual one.
  fileprivate var doctorName: String {
    let short = kind == ReplicationSource.kind ? "rs" : "rd"
    let place = namespace.map { $0 == "default" ? "" : "\($0)/" } ?? ""
    return "\(place)\(short)/\(name)"
  }
}
