import BackupRepository
import Platform

/// What a command of `drover repo` prints: text as much as was asked for, or JSON.
final class RepoOutput: Sendable {
  /// Nothing is shown more often than so, whatever is asked for.
  private static let framesPerSecondMax = 60.0

  let isJSON: Bool
  /// 0 quiet, 1 as usual, 2 and 3 with more.
  let verbosity: Int
  /// Seconds between two states of the progress; nil for none.
  let progressSeconds: Double?
  /// Whether progress is a line on a terminal.
  let drawsProgress: Bool
  private let console = Console.standard

  init(_ options: RepoOptions) {
    isJSON = options.json
    verbosity = options.verbosity
    drawsProgress = !options.json && options.verbosity > 0 && Terminal.isTerminal(2)
    let asked = RepoEnvironment["RESTIC_PROGRESS_FPS"].flatMap(Double.init)
    let rate = asked.flatMap { $0 > 0 ? min($0, RepoOutput.framesPerSecondMax) : nil }
    if options.verbosity == 0 {
      progressSeconds = nil
    } else if drawsProgress || options.json {
      progressSeconds = 1 / (rate ?? 10)
    } else {
      progressSeconds = rate.map { 1 / $0 }
    }
  }

  /// A line of text for people, at this verbosity and above.
  func say(_ line: String, from level: Int = 1) {
    if !isJSON, verbosity >= level { console.print(line) }
  }

  /// A line that is the result, and is printed in any case.
  func result(_ line: String) { console.print(line) }

  func emit(_ object: JSONObject) { emit(JSONValue.object(object).encoded()) }

  /// A line of JSON.
  func emit(_ text: [UInt8]) { console.print(String(decoding: text, as: UTF8.self)) }

  /// A remark that is no failure.
  func warn(_ message: String) { console.complain("drover: warning: \(message)") }

  /// Something that failed without ending the run, as restic's commands tell it.
  func itemFailed(_ item: String, during action: String, _ message: String) {
    guard isJSON else {
      console.complain("drover: \(item.isEmpty ? "" : "\(item): ")\(message)")
      return
    }
    let object: JSONObject = [
      "message_type": .string("error"), "error": .object(["message": .string(message)]),
      "during": .string(action), "item": .string(item),
    ]
    console.complain(String(decoding: JSONValue.object(object).encoded(), as: UTF8.self))
  }

  /// The failure that ends the run.
  func failed(_ error: any DroverError, _ status: RepoExitStatus) {
    console.showStatus("")
    guard isJSON else {
      console.report(error)
      if case .noRepository(let place)? = error as? RepositoryError {
        // Scripts look for this line.
        console.complain("Is there a repository at the following location?\n\(place)")
      }
      return
    }
    let object: JSONObject = [
      "message_type": .string("exit_error"), "code": .integer(Int64(status.rawValue)),
      "message": .string(error.description),
    ]
    console.complain(String(decoding: JSONValue.object(object).encoded(), as: UTF8.self))
  }
}

/// How far a run is, told as often as was asked for. Shared by all threads.
final class RepoProgress: @unchecked Sendable {
  private let output: RepoOutput
  private let lock = Lock()
  // The following are guarded by `lock`.
  private var line = ProgressLine(now: .now())
  private var last: MonotonicTime?

  init(_ output: RepoOutput) { self.output = output }

  /// Whether the next state is due; then it is taken as told.
  private func isDue(_ now: MonotonicTime) -> Bool {
    guard let interval = output.progressSeconds else { return false }
    return lock.withLock {
      if let last, now.seconds(since: last) < interval { return false }
      last = now
      return true
    }
  }

  /// Shows a state: as a line on a terminal, as JSON, or as text.
  func show(_ figures: ProgressFigures, json: () -> JSONObject) {
    let now = MonotonicTime.now()
    guard isDue(now) else { return }
    if output.isJSON {
      output.emit(json())
      Console.standard.flush()
      return
    }
    let columnCount = output.drawsProgress ? Terminal.columnCount(2) ?? 80 : 200
    let text = lock.withLock { line.draw(figures, now: now, columnCount: columnCount) }
    show(text)
  }

  /// Shows a count of things: `12 / 300 snapshots`.
  func show(_ what: String, _ done: Int, of total: Int?) {
    guard !output.isJSON, isDue(.now()) else { return }
    show("\(Shown.count(Int64(done)))\(total.map { " / \(Shown.count(Int64($0)))" } ?? "") \(what)")
  }

  private func show(_ text: String?) {
    guard let text else { return }
    if output.drawsProgress {
      Console.standard.showStatus(text)
    } else {
      Console.standard.print(text)
      Console.standard.flush()
    }
  }

  /// Takes the line away.
  func end() { if output.drawsProgress { Console.standard.showStatus("") } }
}
