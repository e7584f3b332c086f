import FileTree
import Glibc
import Platform
package import Transport

/// The destination of a stock source: VolSync's mover, whose rsync comes through the tunnel in
/// several connections, two for the data and some for control files, and says that it is complete
/// by a file `control/complete`.
///
/// Each connection is served by a child of the installed rsync. A source whose connection breaks
/// begins again by itself, so a broken connection ends nothing.
///
/// Guard: a stock source with an empty volume does nothing but delete. So a run that deletes is
/// refused on a filled root until data has been received, unless
/// ``ReceiveOptions/allowEmptyStockSource`` is set.
package final class StockReceiver: @unchecked Sendable {
  /// Connections served at the same time: a source uses one; a broken one may linger.
  private static let connectionCountMax = 8
  /// How long other connections may take to end once the source has gone on without them.
  private static let lingerSeconds = 10.0

  private let options: ReceiveOptions
  private let events: @Sendable (SessionEvent) -> Void
  private let changed: @Sendable () -> Void
  private let program: RsyncProgram
  private let root: TreeRoot
  private let rootPath: String
  private let directory: PrivateDirectory
  private let control: String
  private let privileges = Privileges.ofProcess()

  private let lock = Lock()
  private let condition: Condition
  // The following are guarded by `lock`.
  private var connections: [UInt64: DaemonConnection] = [:]
  private var threads: [UInt64: Thread<Void>] = [:]
  private var endedThreads: [UInt64] = []
  private var number: UInt64 = 0
  private var run = StockRun()
  private var throttle = ProgressThrottle()

  /// `changed` is called, from any thread, when ``takeCompletion()`` may have something to give.
  ///
  /// - Throws: `ReplicationError.rsyncMissing`, `.rsyncRoot`, `TreeError`, `PlatformError`.
  package init(
    options: ReceiveOptions, events: @escaping @Sendable (SessionEvent) -> Void,
    changed: @escaping @Sendable () -> Void
  ) throws {
    self.options = options
    self.events = events
    self.changed = changed
    condition = Condition(lock)
    program = try RsyncProgram.find()
    rootPath = try StockReceiver.checkedPath(options.root)
    root = try TreeRoot(path: rootPath)
    directory = try PrivateDirectory("rsync")
    control = try directory.makeDirectory("control")
  }

  private static func checkedPath(_ path: String) throws -> String {
    guard let real = realpath(path, nil) else {
      throw ReplicationError.root(path: path, reason: PlatformError.reason(of: errno))
    }
    defer { free(real) }
    let resolved = String(cString: real)
    var status = stat()
    guard stat(resolved, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw ReplicationError.rsyncRoot(path: path, reason: "it is no directory")
    }
    if let problem = DaemonSettings.problem(ofPath: resolved) {
      throw ReplicationError.rsyncRoot(path: path, reason: problem)
    }
    return resolved
  }

  /// Serves one connection of the source on threads of its own; waits while there are too many.
  package func serve(_ stream: any ByteStream) throws {
    collectThreads()
    let settings = DaemonSettings(
      root: rootPath, control: control, canConfine: privileges.canChangeRoot,
      isPrivileged: privileges.canGiveAway, refusesDeletions: try mustRefuseDeletions())
    let name = settings.refusesDeletions ? "guarded.conf" : "rsyncd.conf"
    let file = "\(directory.path)/\(name)"
    // Once: another child may be about to read it.
    if access(file, F_OK) != 0 { try directory.write(name, Array(settings.text.utf8)) }
    let connection = try DaemonConnection(program, settingsFile: file, stream: stream)
    lock.withLock {
      while connections.count >= StockReceiver.connectionCountMax { condition.wait() }
      if connections.isEmpty, run.startTime == nil { run.startTime = .now() }
      number += 1
      connections[number] = connection
      let (number, isGuarded) = (number, settings.refusesDeletions)
      threads[number] = Thread("rsync peer") { [self] in
        serve(connection, number, isGuarded: isGuarded, stream)
      }
    }
  }

  /// Whether data has to come before anything is deleted. The connection that has brought it may
  /// not have ended here when the source comes with the next one: that is waited for.
  private func mustRefuseDeletions() throws -> Bool {
    if options.allowEmptyStockSource || lock.withLock({ run.hasReceived }) { return false }
    var walk = WalkOptions()
    walk.filter = FilterRules(rules: [try FilterRule(.exclude, "/lost+found")])
    if try RootEntry.read(root, walk).isEmpty { return false }
    let deadline = MonotonicTime.now().advanced(bySeconds: StockReceiver.lingerSeconds)
    return lock.withLock {
      while !run.hasReceived, !connections.isEmpty, condition.wait(until: deadline) {}
      return !run.hasReceived
    }
  }

  private func serve(
    _ connection: DaemonConnection, _ number: UInt64, isGuarded: Bool, _ stream: any ByteStream
  ) {
    var outcome: DaemonOutcome?
    do {
      outcome = try connection.run { [self] in showProgress($0, of: number) }
    } catch {
      events(.warning(path: [], message: "cannot serve the stock source: \(error)"))
      stream.abort()
    }
    outcome?.wasGuarded = isGuarded
    if let outcome { tell(outcome) }
    lock.withLock {
      if let outcome { run.add(outcome, of: number) }
      connections[number] = nil
      endedThreads.append(number)
      condition.broadcast()
    }
    changed()
  }

  /// What a connection that has failed means for the source, for people.
  private func tell(_ outcome: DaemonOutcome) {
    guard !outcome.isDone else { return }
    let said = outcome.log.messages.joined(separator: "; ")
    if outcome.wasGuarded, said.contains("refuse --delete") {
      let text =
        "the stock source is empty, \(rootPath) is not: nothing was deleted. If the source is meant"
        + " to be empty, let the destination allow an empty source"
      return events(.warning(path: [], message: text))
    }
    let exit = RsyncExit(outcome.exitCode)
    var text =
      "a connection of the stock source failed: rsync ended with code \(exit.code)"
      + " (\(exit.meaning))"
    if let failure = outcome.failure { text += "; \(failure)" }
    if !said.isEmpty { text += "; \(said)" }
    events(.warning(path: [], message: "\(text). The source tries again by itself"))
  }

  private func showProgress(_ log: TransferLog, of number: UInt64) {
    let progress: SessionProgress? = lock.withLock {
      run.running[number] = log.counts
      guard throttle.isDue() else { return nil }
      let counts = run.counts
      var progress = SessionProgress()
      progress.fileCountDone = counts.transferredCount
      progress.sizeBytesDone = counts.sizeBytesTransferred
      return progress
    }
    if let progress { events(.progress(progress)) }
  }

  // MARK: The end

  /// The outcome of a source that has said that it is complete, once everything is on the disk; nil
  /// when none has. Blocks meanwhile. Of one thread, which also calls ``serve(_:)``.
  package func takeCompletion() throws -> SessionSummary? {
    collectThreads()
    guard access("\(control)/\(DaemonSettings.completeName)", F_OK) == 0 else { return nil }
    endConnections(afterSeconds: StockReceiver.lingerSeconds)
    let run = lock.withLock {
      defer { self.run = StockRun() }
      return self.run
    }
    PrivateDirectory.empty(control)
    let warnings = WarningCount()
    if !privileges.canChangeRoot {
      let links = LinkUnmunging(root: root) { [events] path, message in
        warnings.add()
        events(.warning(path: path, message: message))
      }
      _ = try links.run()
    }
    guard FileSystem.synchronize(root.descriptor) == 0 else {
      throw ReplicationError.file(.last("syncfs"), path: [])
    }
    var summary = run.summary
    summary.warningCount = warnings.value
    return summary
  }

  /// Lets another peer have the root: what this source has under way is ended.
  package func abandon() {
    endConnections(afterSeconds: 0)
    PrivateDirectory.empty(control)
    lock.withLock { run = StockRun() }
  }

  /// Ends all connections and waits for their threads; called at the end.
  package func stop() { endConnections(afterSeconds: 0) }

  private func endConnections(afterSeconds seconds: Double) {
    let deadline = MonotonicTime.now().advanced(bySeconds: seconds)
    lock.withLock {
      while !connections.isEmpty, condition.wait(until: deadline) {}
      for connection in connections.values { connection.cancel() }
      while !connections.isEmpty { condition.wait() }
    }
    collectThreads()
  }

  private func collectThreads() {
    let ended = lock.withLock {
      defer { endedThreads = [] }
      return endedThreads.compactMap { threads.removeValue(forKey: $0) }
    }
    for thread in ended {
      // Its body throws nothing.
      try? thread.join()
    }
  }

  /// Tells a stock source in its own protocol that it is not served, and closes.
  package static func refuse(_ stream: any ByteStream, because error: any Error) {
    let text = ((error as? any DroverError)?.message ?? "\(error)").split(separator: "\n")
    let reason = text.first.map(String.init) ?? "not served"
    let answer = Array("@RSYNCD: 31.0\n@ERROR: drover: \(reason)\n".utf8)
    do {
      try answer.withUnsafeBytes { try stream.write($0) }
    } catch {
      // The peer has gone: there is nobody to tell.
    }
    stream.close()
  }
}

/// What the connections of one run of a stock source have done together.
private struct StockRun {
  var startTime: MonotonicTime?
  /// Data has been received: what is missing then may be deleted.
  var hasReceived = false
  /// Counts of connections under way.
  var running: [UInt64: TransferCounts] = [:]
  private var ended = TransferCounts()
  private var wire = WireBytes()
  private var sizeBytesTotal: Int64 = 0

  var counts: TransferCounts {
    var sum = ended
    for counts in running.values { sum += counts }
    return sum
  }

  mutating func add(_ outcome: DaemonOutcome, of number: UInt64) {
    running[number] = nil
    wire.sent += outcome.wire.sent
    wire.received += outcome.wire.received
    guard outcome.module == DaemonSettings.dataModule else { return }
    ended += outcome.log.counts
    sizeBytesTotal = max(sizeBytesTotal, outcome.log.sizeBytesTotal)
    // A run that left out entries has received what there was all the same.
    let exit = RsyncExit(outcome.exitCode)
    if exit.isDone || exit.isPartial { hasReceived = true }
  }

  var summary: SessionSummary {
    var summary = SessionSummary()
    counts.fill(&summary)
    summary.isOfStockPeer = true
    summary.sizeBytesTotal = sizeBytesTotal
    summary.wireBytesSent = wire.sent
    summary.wireBytesReceived = wire.received
    summary.durationSeconds = startTime.map { MonotonicTime.now().seconds(since: $0) } ?? 0
    return summary
  }
}

/// Counts warnings that come from another thread.
final class WarningCount: @unchecked Sendable {
  private let lock = Lock()
  private var count: Int64 = 0

  var value: Int64 { lock.withLock { count } }
  func add() { lock.withLock { count += 1 } }
}
