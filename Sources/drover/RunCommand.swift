import ArgumentParser
import Control
import Glibc
import Manifests
import Movers
import Platform
import StateStore
import Supervision

extension UnknownFields: ExpressibleByArgument {}

/// `drover run`: what the files ask for, in the foreground, without stored state.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run what manifest files ask for: once, or by their triggers.",
    discussion: """
      Reads ReplicationSource and ReplicationDestination with rsyncTLS, rsync, restic or rclone, \
      Secret, ConfigMap, PersistentVolume and PersistentVolumeClaim as VolSync knows them. \
      Everything is checked before anything starts. With rsyncTLS and rsync destinations are \
      started first, and a source without address sends to the destination of the files; with \
      restic and rclone a destination restores after the sources of its repository or bucket have \
      stored.

      When all triggers are manual, or with --once, each replication runs once. Otherwise they are \
      served until the program is told to end (SIGTERM, Ctrl-C): by schedule, or without a trigger \
      again and again. A run that fails is tried again by its next trigger.

      Nothing is kept from run to run. What was printed with -o yaml may be given to the next run: \
      its status says when each ran last, and when the repository was pruned last.
      """)

  enum Output: String, ExpressibleByArgument, CaseIterable {
    case yaml
    case json
  }

  @Option(
    name: [.customShort("f"), .customLong("filename")], parsing: .upToNextOption,
    help: ArgumentHelp(
      "A manifest file, a directory of them, or - for standard input; may be repeated.",
      valueName: "file"))
  var files: [String] = []

  @Flag(
    name: .long,
    help: "Run each replication once, whatever its trigger, and end with the outcome.")
  var once = false

  @Option(
    name: [.customShort("o"), .long],
    help: "Print the objects with their status at the end.")
  var output: Output?

  @Option(
    name: .customLong("validate"),
    help: ArgumentHelp(
      "What becomes of a field that is not known: strict refuses it, warn tells of it, ignore.",
      valueName: "rule"))
  var unknownFields = UnknownFields.refuse

  func validate() throws {
    if files.isEmpty { throw ValidationError("name at least one file: -f FILE") }
  }

  func run() throws {
    let code = RunCommand.perform(
      files: files, once: once, output: output, unknownFields: unknownFields)
    if code != .done { throw ExitCode(code.rawValue) }
  }

  private static func perform(
    files: [String], once: Bool, output: Output?, unknownFields: UnknownFields
  ) -> ExitStatus {
    let log = RunLog()
    // It holds keys until its movers have them.
    StartedProcess.hideFromDumps()
    do {
      let movers = MoverRegistry<MoverRequest>.standard()
      let set = try ManifestLoader(unknownFields: unknownFields).load(files)
      for notice in set.warnings { log.write("warning: \(notice)") }
      // Where the daemon makes its own.
      let volumeRoot = StatePath.standard(option: nil).map(ControlDaemon.volumeRoot)
      let planner = RunPlanner(
        set, served: movers.sections, cacheDirectory: RepoCache.standardPath,
        volumeRoot: volumeRoot)
      let plan = try planner.plan()
      // The locks of its movers.
      let directory = try PrivateDirectory("run")
      for notice in set.notServed { log.write("warning: \(notice)") }
      log.write(skipped: plan)
      let report =
        once || plan.isDoneAfterOneRun
        ? try runOnce(plan, movers, directory, log) : try serve(plan, movers, directory, log)
      RunClaims(set, plan, volumeRoot: volumeRoot).fill(after: report) { log.write($0) }
      if let output { try print(report.objects, output) }
      return report.exitStatus
    } catch {
      log.write("\(error)")
      let failure = error as? any DroverError
      if let hint = failure?.hint { log.write(hint) }
      return failure.map { ExitStatus($0.kind) } ?? .failed
    }
  }

  private static func runOnce(
    _ plan: RunPlan, _ movers: MoverRegistry<MoverRequest>, _ directory: PrivateDirectory,
    _ log: RunLog
  ) throws -> RunReport {
    let session = RunSession(plan, movers: movers, stateDirectory: directory.path) {
      log.write($0, $1)
    }
    TerminationSignals.handle {
      log.write("cancelled: ending movers; once more to end at once")
      session.cancel()
    }
    return try session.run()
  }

  private static func serve(
    _ plan: RunPlan, _ movers: MoverRegistry<MoverRequest>, _ directory: PrivateDirectory,
    _ log: RunLog
  ) throws -> RunReport {
    let service = RunService(plan, movers: movers, stateDirectory: directory.path) {
      log.write($0, $1)
    }
    TerminationSignals.handle {
      log.write("ending movers; once more to end at once")
      service.cancel()
    }
    return try service.run()
  }

  private static func print(_ objects: [JSONValue], _ output: Output) throws {
    let text: [UInt8]
    switch output {
    case .yaml: text = Array(objects.map(\.yamlText).joined(separator: "---\n").utf8)
    case .json:
      let list: JSONValue = .object([
        "apiVersion": .string("v1"), "kind": .string("List"), "items": .array(objects),
      ])
      text = (objects.count == 1 ? objects[0] : list).encoded(.indented) + [0x0a]
    }
    try SmallFile.write(text, to: 1, subject: "standard output")
  }
}
