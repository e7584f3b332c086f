import ArgumentParser
import BackupRepository
import Platform

/// `drover repo check`: whether everything is there and as it was written.
struct RepoCheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Look for damage in the repository.",
    discussion: """
      Without --read-data the structure is checked: indexes, packs by their sizes, snapshots and \
      all directories. What was found is told with the command that helps.

      Examples:
        drover repo -r /srv/backup check
        drover repo -r /srv/backup check --read-data-subset 1/7
        drover repo -r /srv/backup check --read-data
      """)

  @Flag(help: "Read and check every byte.")
  var readData = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Read a part: n/t, or at random x% or a size like 10G.", valueName: "subset"))
  var readDataSubset: String?

  @Flag(help: .hidden)
  var withCache = false

  @OptionGroup(title: "All commands") var options: RepoOptions

  func validate() throws {
    if readData, readDataSubset != nil {
      throw ValidationError("--read-data and --read-data-subset exclude each other")
    }
  }

  func run() throws {
    try RepoRun.end(options) { run in
      var check = CheckOptions()
      if readData { check.reading = .all }
      if let readDataSubset {
        check.reading = .subset(try ReadDataSubset(parsing: readDataSubset))
      }
      check.threadCount = processorCount
      check.temporaryDirectory = RepoEnvironment.temporaryDirectory
      check.isCancelled = run.isInterrupted
      run.output.say("create exclusive lock for repository", from: options.noLock ? 9 : 1)
      return try run.withRepository(.exclusive, isReader: true) { repository in
        let report = try RepoCheckCommand.check(run, repository, check)
        RepoCheckCommand.tell(run.output, report)
        return report.isSound ? .done : .failed
      }
    }
  }

  private static func check(
    _ run: RepoRun, _ repository: Repository, _ options: CheckOptions
  ) throws(RepositoryError) -> CheckReport {
    let output = run.output
    let progress = RepoProgress(output)
    let report = try Check(repository, options) { event in
      switch event {
      case .started(let stage):
        progress.end()
        output.say(title(stage))
      case .finding(let finding): tell(output, finding)
      case .read(let packs, let total, let bytes):
        progress.show("packs, \(Shown.bytes(Double(bytes)))", packs, of: total)
      }
    }.run()
    progress.end()
    return report
  }

  private static func title(_ stage: CheckEvent.Stage) -> String {
    switch stage {
    case .index: "load indexes"
    case .packs: "check all packs"
    case .snapshots: "check snapshots, trees and blobs"
    case .data: "read data"
    }
  }

  private static func tell(_ output: RepoOutput, _ finding: CheckFinding) {
    guard finding.severity == .error else { return output.say("hint: \(finding.message)") }
    guard output.isJSON else { return Console.standard.complain("error: \(finding.message)") }
    let message: JSONObject = [
      "message_type": .string("error"), "message": .string(finding.message),
    ]
    Console.standard.complain(
      String(decoding: JSONValue.object(message).encoded(), as: UTF8.self))
  }

  private static func tell(_ output: RepoOutput, _ report: CheckReport) {
    let errors = report.findings.filter { $0.severity == .error }
    if output.isJSON {
      let broken = errors.filter { $0.part == .pack }.map(\.place)
      output.emit([
        "message_type": .string("summary"), "num_errors": .integer(Int64(report.errorCount)),
        "broken_packs": broken.isEmpty ? .null : .array(broken.map { .string($0) }),
        "suggest_repair_index": .bool(suggests("repair index", errors)),
        "suggest_prune": .bool(suggests("prune", report.findings)),
      ])
      return
    }
    if report.isSound { return output.say("no errors were found") }
    var told: Set<String> = []
    for finding in errors where told.insert(finding.remedy).inserted {
      Console.standard.complain("hint: \(finding.remedy)")
    }
    Console.standard.complain(
      "drover: the repository contains errors: \(Shown.count(Int64(report.errorCount)))")
  }

  private static func suggests(_ command: String, _ findings: [CheckFinding]) -> Bool {
    findings.contains { $0.remedy.contains("`\(command)`") }
  }
}
