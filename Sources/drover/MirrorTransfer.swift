import ObjectMirror
import Platform
import Synchronization

/// What `sync` and `copy` do alike.
enum MirrorTransfer {
  static func run(
    _ arguments: MirrorArguments, _ choice: MirrorFilterArguments, _ options: MirrorOptions,
    _ transfer: MirrorTransferArguments, from source: String, to destinations: [String]
  ) throws {
    try MirrorRunner.end(arguments) { runner in
      var options = options
      options.filter = try choice.read()
      options.depthMax = choice.depthMax
      options.comparison.sizeOnly = arguments.sizeOnly
      options.usesServerTimes = arguments.useServerModtime
      options.transferCount = arguments.transfers
      options.checkerCount = arguments.checkers
      options.temporaryDirectory = RepoEnvironment.temporaryDirectory
      options.stateDirectory = runner.stateDirectory(transfer.stateDir, "pairs")
      options.backup = try backup(runner, transfer, isDryRun: options.isDryRun)
      if transfer.metadata {
        let output = runner.output
        options.metadata = MetadataKeeper { output.notice($0) }
      }
      if !options.isDryRun { options.uploads = runner.uploadJournal(transfer.stateDir) }
      let from = try runner.source(source, destinationCount: destinations.count)
      // The others of its directory are no files that the source does not have.
      if from.isSingleFile { options.deletes = false }
      return try MirrorAttempts(runner, from, options, destinations).run(transfer.retries)
    }
  }
}

extension MirrorTransfer {
  /// Where what would be overwritten or deleted goes; nil for nowhere.
  private static func backup(
    _ runner: MirrorRunner, _ transfer: MirrorTransferArguments, isDryRun: Bool
  ) throws -> BackupPlace? {
    let suffix = transfer.suffix ?? ""
    guard transfer.backupDir != nil || !suffix.isEmpty else { return nil }
    let side = try transfer.backupDir.map {
      try runner.side($0, absence: isDryRun ? .pretend : .make)
    }
    return BackupPlace(side, suffix: suffix, keepsExtension: transfer.suffixKeepExtension)
  }
}

/// The attempts of one command: the first with all destinations, further ones with those that have
/// failed and may do better.
private final class MirrorAttempts {
  private let runner: MirrorRunner
  private let output: MirrorOutput
  private let source: MirrorSide
  private let options: MirrorOptions
  private let texts: [String]
  private let began = MonotonicTime.now()
  private var sides: [MirrorSide?] = []
  private var names: [String] = []
  private var outcomes: [DestinationOutcome?] = []
  private var sourceListedCount: Int64 = 0
  private var sourceReadBytes: Int64 = 0

  init(
    _ runner: MirrorRunner, _ source: MirrorSide, _ options: MirrorOptions, _ texts: [String]
  ) {
    (self.runner, self.source, self.options, self.texts) = (runner, source, options, texts)
    output = runner.output
  }

  private var isAlone: Bool { texts.count == 1 }

  func run(_ retries: Int) throws -> MirrorExitStatus {
    try open()
    var attempt = 1
    var numbers = sides.indices.filter { sides[$0] != nil }
    while !numbers.isEmpty {
      try once(numbers)
      numbers = numbers.filter { outcomes[$0]?.mayBeRetried == true }
      guard !numbers.isEmpty, attempt < retries, !runner.isInterrupted() else { break }
      for number in numbers {
        let left = outcomes[number].map { max($0.figures.errorCount, 1) } ?? 1
        let place = isAlone ? "" : "\(names[number]): "
        output.notice(
          "\(place)attempt \(attempt) of \(retries) left \(left) failures; once more")
      }
      attempt += 1
    }
    return try report()
  }

  /// A destination that cannot be opened has failed; the others go on without it.
  private func open() throws {
    for text in texts {
      var failure: MirrorError?
      do {
        sides.append(try runner.side(text, absence: options.isDryRun ? .pretend : .make))
      } catch {
        guard !isAlone, let error = error as? MirrorError,
          ![.usage, .unsupported].contains(error.kind)
        else { throw error }
        failure = error
        sides.append(nil)
      }
      // What stands behind a comma may be a secret.
      let name = sides.last??.description ?? String(text.prefix { $0 != "," })
      names.append(name)
      outcomes.append(
        failure.map {
          DestinationOutcome(name: name, figures: MirrorFigures(), failure: $0)
        })
    }
  }

  private func once(_ numbers: [Int]) throws {
    let isDryRun = options.isDryRun
    let labels = isAlone ? nil : names
    let run = MirrorRun(
      from: source, to: numbers.compactMap { sides[$0] }, options, mediaTypes: .ofSystem(),
      isCancelled: runner.isInterrupted,
      observe: { [output] lane, event in
        let label = lane.flatMap { lane in labels.map { $0[numbers[lane]] } }
        output.tell(event, at: label, isDryRun: isDryRun)
      })
    let ticker = MirrorTicker(runner, run, labels.map { names in numbers.map { names[$0] } }, began)
    defer { ticker.end() }
    let outcome = try run.run()
    for (number, result) in zip(numbers, outcome.destinations) { outcomes[number] = result }
    sourceListedCount = outcome.sourceListedCount
    sourceReadBytes += outcome.sourceReadBytes
  }

  // MARK: The report

  private func report() throws -> MirrorExitStatus {
    let seconds = MonotonicTime.now().seconds(since: began)
    let outcomes = outcomes.compactMap { $0 }
    if isAlone, let failure = outcomes.first?.failure { throw failure }
    for outcome in outcomes { report(outcome, seconds) }
    let status = MirrorExitStatus.worst(outcomes.map { MirrorExitStatus($0) })
    guard !isAlone else { return status }
    let failed = outcomes.filter { !$0.isGood }
    if output.isJSON {
      output.emit([
        "message_type": .string("run"), "destinations": .integer(Int64(outcomes.count)),
        "elapsedTime": .double(seconds), "exitCode": .integer(Int64(status.rawValue)),
        "failed": .integer(Int64(failed.count)),
        "sourceBytesRead": .integer(sourceReadBytes),
        "sourceListed": .integer(sourceListedCount),
      ])
    } else {
      output.notice(
        "\(outcomes.count - failed.count) of \(outcomes.count) destinations are done; read from"
          + " the source: \(MirrorText.bytes(sourceReadBytes))")
    }
    return status
  }

  private func report(_ outcome: DestinationOutcome, _ seconds: Double) {
    let figures = outcome.figures
    let place = isAlone ? "" : "\(outcome.name): "
    let seconds = isAlone ? seconds : outcome.seconds
    if output.isJSON {
      var object = MirrorText.summary(figures, seconds: seconds)
      if !isAlone {
        object["destination"] = .string(outcome.name)
        object["exitCode"] = .integer(Int64(MirrorExitStatus(outcome).rawValue))
        object["outcome"] = .string(outcome.isGood ? "done" : "failed")
        let text = outcome.failure?.description ?? figures.lastError
        if let text, !outcome.isGood { object["error"] = .string(text) }
      }
      output.emit(object)
    } else {
      if !isAlone {
        output.block("Destination:   \t\(place)\(outcome.isGood ? "done" : "failed")")
      }
      output.block(MirrorText.block(figures, seconds: seconds))
    }
    if let failure = outcome.failure {
      output.error("\(place)\(failure.description)")
      if let hint = failure.hint { output.notice("\(place)\(hint)") }
    } else if figures.errorCount > 0, options.deletes, !options.ignoresErrors {
      output.error("\(place)nothing was deleted, as there were failures")
    }
  }
}

/// Tells how far a run is, from time to time.
private final class MirrorTicker {
  private static let pollSeconds = 0.1

  private final class State: Sendable {
    let isOver = Atomic<Bool>(false)
  }

  private let state: State
  private let thread: Thread<Void>?

  /// `names` are those of the destinations when there are several.
  init(_ runner: MirrorRunner, _ run: MirrorRun, _ names: [String]?, _ began: MonotonicTime) {
    let (output, state) = (runner.output, State())
    self.state = state
    let interval = runner.arguments.statsSeconds ?? 0
    guard interval > 0, !output.isQuiet, !output.isJSON else {
      thread = nil
      return
    }
    thread = Thread("mirror-stats") {
      let clock = SystemClock()
      var last = MonotonicTime.now()
      while !state.isOver.load(ordering: .acquiring) {
        clock.sleep(seconds: MirrorTicker.pollSeconds)
        let now = MonotonicTime.now()
        guard now.seconds(since: last) >= interval else { continue }
        last = now
        for (lane, figures) in run.figures.enumerated() {
          if let names { output.block("Destination:   \t\(names[lane])") }
          output.block(MirrorText.block(figures, seconds: now.seconds(since: began)))
        }
      }
    }
  }

  func end() {
    state.isOver.store(true, ordering: .releasing)
    // The thread throws nothing.
    try? thread?.join()
  }
}
