import Glibc
import Platform

/// What the passes of one run to a stock destination have done together. Lines come from one thread
/// at a time, which is not the one that asks.
final class ClientWork: @unchecked Sendable {
  /// Links that are listed for the destination; 32 MiB of paths.
  private static let linkBytesMax = 32 << 20
  /// Messages of rsync that are told one by one.
  private static let warningCountMax = 100

  private let events: @Sendable (SessionEvent) -> Void
  private let isItemized: Bool

  private let lock = Lock()
  // The following are guarded by `lock`.
  /// What the pass under way reports.
  private var report = ClientReport()
  /// The first pass, which has the totals, and the changes of all that have ended.
  private var first: ClientReport?
  private var counts = TransferCounts()
  private var links: [UInt8] = []
  private var badLinkCount: Int64 = 0
  private var warnings: Int64 = 0
  private var throttle = ProgressThrottle()

  init(events: @escaping @Sendable (SessionEvent) -> Void, isItemized: Bool) {
    self.events = events
    self.isItemized = isItemized
  }

  var warningCount: Int64 { lock.withLock { warnings } }
  var hasDeleted: Bool { lock.withLock { counts.deletedCount > 0 } }

  /// A pass begins.
  func begin() { lock.withLock { report = ClientReport() } }

  /// A pass has ended.
  func end() {
    lock.withLock {
      first = first ?? report
      counts += report.counts
    }
  }

  /// Something was left out.
  func note(_ message: String) {
    let isTold = lock.withLock {
      warnings += 1
      return warnings <= ClientWork.warningCountMax
    }
    if isTold { events(.warning(path: [], message: message)) }
  }

  func add(line: [UInt8]) {
    let (item, due) = lock.withLock { () -> (ClientReport.Item?, SessionProgress?) in
      let item = report.add(line: line)
      if let item, item.isLink, !item.isDeletion, first == nil { note(link: item.name) }
      return (item, throttle.isDue() ? progress : nil)
    }
    if let due { events(.progress(due)) }
    if isItemized, let item, item.isChanged {
      events(.item(change: item.change, path: item.name))
    }
  }

  private var progress: SessionProgress {
    var progress = SessionProgress()
    progress.fileCountDone = report.counts.transferredCount
    progress.sizeBytesDone = report.counts.sizeBytesTransferred
    return progress
  }

  private func note(link name: [UInt8]) {
    let isGood = !name.contains(0x0a) && links.count + name.count < ClientWork.linkBytesMax
    if isGood { links += name + [0x0a] } else { badLinkCount += 1 }
  }

  /// Writes the list of all links, one a line; nil when there is none. One that the list cannot
  /// hold stays harmless at the destination, and is a warning.
  func mungeList(in directory: PrivateDirectory) throws -> String? {
    let (links, badCount) = lock.withLock { (self.links, badLinkCount) }
    if badCount > 0 {
      note(
        "\(badCount) symbolic links have a line break in their names, or are too many: the stock"
          + " destination cannot be told to put them right")
    }
    return links.isEmpty ? nil : try directory.write("links", links)
  }

  var summary: SessionSummary {
    lock.withLock {
      var summary = SessionSummary()
      (first ?? report).fill(&summary)
      let literalBytes = summary.literalBytes
      counts.fill(&summary)
      summary.literalBytes = literalBytes
      summary.warningCount = warnings
      summary.isOfStockPeer = true
      return summary
    }
  }
}

/// One run of the installed rsync as a client.
struct RsyncClient {
  private static let messageCountMax = 100
  private static let graceSeconds = 5.0

  private let program: RsyncProgram
  private let variable: String
  private let cancellation: Wakeup

  init(_ program: RsyncProgram, variable: String, cancellation: Wakeup) {
    self.program = program
    self.variable = variable
    self.cancellation = cancellation
  }

  /// Runs to the end; `line` gets what it prints, on a thread of its own. Blocks; the child lives
  /// no longer than the calling thread.
  func run(
    _ arguments: [String], _ line: @escaping @Sendable ([UInt8]) -> Void
  ) throws -> (code: Int32, messages: [String]) {
    let (process, outputEnd, errorEnd) = try start(arguments)
    let printed = Thread("rsync output") { RsyncClient.read(outputEnd, line) }
    let complained = Thread<[String]>("rsync errors") {
      var messages: [String] = []
      RsyncClient.read(errorEnd) { line in
        let text = printable(line)
        // The last line says only that there were others.
        if text.isEmpty || text.hasPrefix("rsync error: ") || text.hasPrefix("rsync warning: ") {
          return
        }
        if messages.count < RsyncClient.messageCountMax { messages.append(text) }
      }
      return messages
    }
    let ending = end(of: process)
    try printed.join()
    return (ending.code, try complained.join())
  }

  /// The other ends of both pipes are the child's alone.
  private func start(
    _ arguments: [String]
  ) throws(PlatformError) -> (StartedProcess, SharedDescriptor, SharedDescriptor) {
    let (output, errors) = (try Pipe(), try Pipe())
    let process = try withExtendedLifetime((output, errors)) { () throws(PlatformError) in
      try StartedProcess(
        executable: program.path, arguments: arguments,
        environment: program.environment + [variable],
        descriptors: [-1, output.write.raw, errors.write.raw, -1, -1])
    }
    return (process, output.read, errors.read)
  }

  private func end(of process: StartedProcess) -> StartedProcess.Ending {
    let outcome: Wakeup.Outcome
    do { outcome = try cancellation.wait(for: process.end.raw, .reading, until: nil) } catch {
      // Without poll nothing can be waited for.
      outcome = .woken
    }
    if outcome == .woken {
      process.signal(SIGTERM)
      var entry = pollfd(fd: process.end.raw, events: Int16(POLLIN), revents: 0)
      _ = retryingOnInterrupt { poll(&entry, 1, Int32(RsyncClient.graceSeconds * 1000)) }
    }
    process.signalGroup(SIGKILL)
    return process.reap()
  }

  private static func read(_ descriptor: SharedDescriptor, _ line: ([UInt8]) -> Void) {
    var splitter = LineSplitter()
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = buffer.withUnsafeMutableBytes { bytes in
        retryingOnInterrupt { Glibc.read(descriptor.raw, bytes.baseAddress, bytes.count) }
      }
      if count <= 0 { break }
      splitter.append(buffer[..<count], line)
    }
    splitter.finish(line)
  }
}
