import ArgumentParser
import Movers
import Platform
import Replication
import Transport

/// How a session tells about itself.
struct ReportOptions: ParsableArguments {
  @Flag(help: "Print one JSON object per line on standard output instead of text.")
  var json = false

  @Flag(name: [.customShort("v"), .long], help: "Print the path of each change.")
  var verbose = false

  @Flag(name: [.customShort("q"), .long], help: "Print errors and warnings only.")
  var quiet = false

  @Flag(help: "Print all counts and where the time went at the end.")
  var stats = false

  @Flag(
    inversion: .prefixedNo,
    help: "Draw a line with files, bytes, rate and time left; on a terminal only.")
  var progress = true

  func validate() throws {
    if quiet, verbose { throw ValidationError("--quiet and --verbose exclude each other") }
  }
}

/// Turns what happens in sessions into lines on the console, as text or as JSON.
final class SessionReport: @unchecked Sendable {
  /// JSON lines of progress come at most this often.
  private static let jsonIntervalSeconds = 1.0

  private let options: ReportOptions
  private let isItemized: Bool
  private let console = Console.standard
  private let drawsProgress: Bool

  private let lock = Lock()
  // The following are guarded by `lock`.
  private var line = ProgressLine(now: .now())
  private var lastProgress: MonotonicTime?

  /// `isItemized` prints rsync's itemized form of each change rather than its path.
  init(_ options: ReportOptions, isItemized: Bool = false) {
    self.options = options
    self.isItemized = isItemized
    drawsProgress =
      options.progress && !options.quiet && !options.json && Terminal.isTerminal(2)
  }

  func listening(on address: SocketAddress) {
    if options.json {
      emit([
        "event": .string("listening"), "address": .string(address.host),
        "port": .integer(Int64(address.port)),
      ])
    } else if !options.quiet {
      console.complain("listening on \(address)")
    }
  }

  func connected(_ stream: any ByteStream, speaks: PeerProtocol) {
    let tunnel = stream as? TLSStream
    lock.withLock { line = ProgressLine(now: .now()) }
    if options.json {
      emit([
        "event": .string("connected"), "peer": .string(stream.peerDescription),
        "identity": .string(tunnel?.peerIdentity ?? ""), "protocol": .string("\(speaks)"),
      ])
    } else if options.verbose {
      console.complain("connected to \(stream.peerDescription), \(tunnel?.negotiated ?? "plain")")
    }
  }

  /// A remark that is no failure.
  func warn(_ message: String) {
    if options.json {
      emit(["event": .string("warning"), "path": .string(""), "message": .string(message)])
    } else {
      console.complain("drover: warning: \(message)")
    }
  }

  func handle(_ event: SessionEvent) {
    switch event {
    case .progress(let progress): show(progress)
    case .item(let change, let path):
      if options.json {
        console.print(text(of: MoverEvent(event).document))
      } else if isItemized {
        console.print("\(change) \(printable(path))")
      } else if options.verbose {
        console.print(printable(path))
      }
    case .warning(let path, let message):
      if options.json {
        emit(MoverEvent(event).document)
      } else {
        console.complain("drover: \(printable(path)): \(message)")
      }
    }
  }

  /// A failure that does not end the program.
  func failed(_ error: any Error) {
    console.showStatus("")
    if options.json {
      emit(MoverEvent(error).document)
    } else if let failure = error as? any DroverError {
      console.report(failure)
    } else {
      console.complain("drover: \(error)")
    }
  }

  func completed(_ summary: SessionSummary) {
    console.showStatus("")
    if options.json {
      emit(summary.document(event: "summary"))
      return
    }
    if !options.quiet {
      for line in SummaryText.lines(summary, detailed: options.stats) { console.print(line) }
      console.flush()
    }
    if summary.warningCount > 0 {
      console.complain(
        "drover: \(Shown.count(summary.warningCount)) entries could not be read or applied")
    }
  }

  private func show(_ progress: SessionProgress) {
    let now = MonotonicTime.now()
    if options.json {
      let isDue = lock.withLock {
        if let lastProgress, now.seconds(since: lastProgress) < SessionReport.jsonIntervalSeconds {
          return false
        }
        lastProgress = now
        return true
      }
      if isDue { emit(progress.document(event: "progress")) }
    } else if drawsProgress {
      let columnCount = Terminal.columnCount(2) ?? 80
      let figures = ProgressFigures(progress)
      let text = lock.withLock { line.draw(figures, now: now, columnCount: columnCount) }
      if let text { console.showStatus(text) }
    } else {
      console.flush()
    }
  }

  private func text(of object: JSONObject) -> String {
    String(decoding: JSONValue.object(object).encoded(), as: UTF8.self)
  }

  private func emit(_ object: JSONObject) {
    console.print(text(of: object))
    console.flush()
  }
}

extension ProgressFigures {
  init(_ progress: SessionProgress) {
    self.init(
      fileCountDone: progress.fileCountDone, fileCountTotal: progress.fileCountTotal,
      sizeBytesDone: progress.sizeBytesDone, sizeBytesTotal: progress.sizeBytesTotal,
      totalsAreFinal: progress.walkIsComplete)
  }
}

/// The counts of a session for people.
enum SummaryText {
  static func lines(_ summary: SessionSummary, detailed: Bool) -> [String] {
    var lines = [
      "files: \(Shown.count(summary.fileCountTotal)) of \(Shown.count(summary.entryCount)) entries,"
        + " \(Shown.count(summary.fileCountTransferred)) transferred,"
        + " \(Shown.count(summary.entryCountCreated)) created,"
        + " \(Shown.count(summary.entryCountDeleted)) deleted,"
        + " \(Shown.count(summary.entryCountAttributesChanged)) with changed attributes",
      "bytes: \(Shown.count(summary.sizeBytesTotal)) in all,"
        + " \(Shown.count(summary.literalBytes)) literal,"
        + " \(Shown.count(summary.matchedBytes)) matched",
      "wire: \(Shown.count(summary.wireBytesSent)) bytes sent,"
        + " \(Shown.count(summary.wireBytesReceived)) received,"
        + " speed-up \(Shown.decimal(summary.speedUp, places: 2)),"
        + " \(Shown.decimal(summary.durationSeconds, places: 2)) s",
    ]
    if summary.isOfStockPeer { lines.append(SessionSummary.stockPeerText) }
    if let bottleneck = summary.bottleneck { lines.append("bottleneck: \(bottleneck)") }
    guard detailed else { return lines }
    for stage in summary.stages {
      lines.append(
        "stage \(stage.stage): \(Shown.decimal(stage.busySeconds, places: 2)) s busy,"
          + " \(Shown.decimal(stage.inputWaitSeconds, places: 2)) s waiting for input,"
          + " \(Shown.decimal(stage.outputWaitSeconds, places: 2)) s for output")
    }
    if let digest = summary.treeDigest { lines.append("tree digest: \(hex(digest))") }
    return lines
  }
}
