import FileTree
import Glibc
import Platform
package import Transport

/// The source of a stock destination: VolSync's mover, a tunnel in front of rsync's daemon. The
/// installed rsync does both passes of VolSync's source, and the destination gets its control files
/// when everything has arrived.
///
/// A stock destination puts its links right and writes its caches out after the last file, without
/// an answer: success means that it has everything.
package final class StockSender: Sendable {
  private let options: SendOptions
  private let events: @Sendable (SessionEvent) -> Void
  private let gate: ProxyGate
  private let program: RsyncProgram
  private let directory: PrivateDirectory
  private let cancellation: Wakeup

  /// `connect` makes one authenticated stream to the peer; it is called several times.
  ///
  /// - Throws: `ReplicationError.rsyncMissing`, `.rsyncRoot`, `TransportError`, `PlatformError`.
  package init(
    options: SendOptions, events: @escaping @Sendable (SessionEvent) -> Void,
    connect: @escaping @Sendable () throws -> any ByteStream
  ) throws {
    var status = stat()
    guard stat(options.root, &status) == 0 else {
      throw ReplicationError.root(path: options.root, reason: PlatformError.reason(of: errno))
    }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw ReplicationError.rsyncRoot(path: options.root, reason: "it is no directory")
    }
    self.options = options
    self.events = events
    program = try RsyncProgram.find()
    directory = try PrivateDirectory("rsync")
    cancellation = try Wakeup()
    gate = try ProxyGate(connect)
  }

  /// Ends ``run()`` soon, from any thread.
  package func cancel() {
    cancellation.signal()
    gate.cancel()
  }

  /// Sends everything; blocks. Once. An outcome with warnings is not complete, and the destination
  /// has not been told that it is: it goes on listening.
  package func run() throws -> SessionSummary {
    let start = MonotonicTime.now()
    defer { gate.stop() }
    let root = try TreeRoot(path: options.root)
    let names = try rootNames(root)
    try guardAgainstEmptySource(names)
    let list = try directory.write("entries", ClientArguments.listFile(names))
    let rules = try directory.write("rules", ClientArguments.ruleFile(options.filter))
    let arguments = ClientArguments(options: options, listFile: list, ruleFile: rules)
    let work = ClientWork(events: events, isItemized: options.itemizeChanges)
    if !names.isEmpty { try run(arguments.transfer, work) }
    var isComplete = work.warningCount == 0
    if isComplete, options.delete, try mayDelete(arguments, work) {
      try run(arguments.deletion(), work)
      // Deletions have changed the times of their directories.
      if work.hasDeleted, !options.dryRun, !names.isEmpty { try run(arguments.transfer, work) }
    }
    isComplete = work.warningCount == 0
    if isComplete, !options.dryRun { try complete(work) }
    var summary = work.summary
    summary.wireBytesSent = gate.wireBytes.sent
    summary.wireBytesReceived = gate.wireBytes.received
    summary.durationSeconds = MonotonicTime.now().seconds(since: start)
    return summary
  }

  /// The entries of the root that take part, but for other file systems: rsync would take one that
  /// is named for a place of its own.
  private func rootNames(_ root: TreeRoot) throws -> [[UInt8]] {
    var walk = WalkOptions()
    walk.filter = options.filter
    let (finalWalk, isOneFileSystem) = (walk, options.oneFileSystem)
    return try Thread<[[UInt8]]>("root") {
      let reader = DirectoryReader(root: root, options: finalWalk) { _ in }
      let listing = try reader.read([])
      guard !listing.isIncomplete else {
        throw ReplicationError.root(path: root.path, reason: "it cannot be read completely")
      }
      return listing.entries.compactMap { entry in
        if entry.isLeftover { return nil }
        if isOneFileSystem, entry.fileSystem != listing.directory.fileSystem { return nil }
        return [UInt8](listing.name(of: entry))
      }
    }.join()
  }

  /// A stock destination deletes whatever an empty source says; so it is looked at first.
  private func guardAgainstEmptySource(_ names: [[UInt8]]) throws {
    guard names.isEmpty, options.delete, !options.allowEmptySource else { return }
    let found = ListedNames()
    try runClient(ClientArguments.listing) { found.add(line: $0) }
    guard !found.hasAny else { throw ReplicationError.emptySource(root: options.root) }
  }

  /// Whether the deletions stay within their limit; more than that are not begun.
  private func mayDelete(_ arguments: ClientArguments, _ work: ClientWork) throws -> Bool {
    let found = SourceTotals(
      fileCount: work.summary.fileCountTotal, sizeBytes: work.summary.sizeBytesTotal)
    if let loss = options.sourceGuard?.loss(in: found) {
      throw ReplicationError.shrunkenSource(loss)
    }
    guard options.deleteCountMax != nil || options.deletionLimit != nil else { return true }
    let counted = ClientWork(events: { _ in }, isItemized: false)
    try run(arguments.deletion(isCounted: true), counted)
    let count = counted.summary.entryCountDeleted
    guard let countMax = options.deleteCountMax else {
      let total = count + max(0, work.summary.entryCount - work.summary.entryCountCreated)
      guard options.deletionLimit?.isExceeded(lost: count, of: total) != true else {
        throw ReplicationError.massDeletion(planned: count, total: total)
      }
      return true
    }
    if count > countMax {
      work.note("\(count) deletions are more than the limit of \(countMax): none was done")
    }
    return count <= countMax
  }

  private func run(_ arguments: [String], _ work: ClientWork) throws {
    work.begin()
    let (code, messages) = try start(arguments) { work.add(line: $0) }
    if RsyncExit(code).isDone { return work.end() }
    guard RsyncExit(code).isPartial else { throw failure(code, messages) }
    work.end()
    for message in messages.isEmpty ? [RsyncExit(code).meaning] : messages { work.note(message) }
  }

  private func complete(_ work: ClientWork) throws {
    if let links = try work.mungeList(in: directory) {
      try runClient(
        ClientArguments.upload(links, as: DaemonSettings.mungeListName)
      ) { _ in }
    }
    guard work.warningCount == 0 else { return }
    let file = try directory.write("complete", Array("drover\n".utf8))
    try runClient(ClientArguments.upload(file, as: DaemonSettings.completeName)) { _ in }
  }

  /// Runs rsync, which has to succeed.
  private func runClient(_ arguments: [String], _ line: @escaping @Sendable ([UInt8]) -> Void)
    throws
  {
    let (code, messages) = try start(arguments, line)
    guard code == 0 else { throw failure(code, messages) }
  }

  private func start(
    _ arguments: [String], _ line: @escaping @Sendable ([UInt8]) -> Void
  ) throws -> (code: Int32, messages: [String]) {
    if cancellation.isSignalled { throw TransportError.cancelled }
    let client = RsyncClient(program, variable: gate.variable, cancellation: cancellation)
    let result = try client.run(arguments, line)
    gate.waitUntilIdle()
    if cancellation.isSignalled { throw TransportError.cancelled }
    return result
  }

  /// What the way to the peer has to say is the better reason.
  private func failure(_ code: Int32, _ messages: [String]) -> any Error {
    gate.failure ?? ReplicationError.rsyncFailed(code: code, messages: messages)
  }
}

/// Whether a listing names anything but the root and `lost+found`.
private final class ListedNames: @unchecked Sendable {
  private let lock = Lock()
  private var isFound = false

  var hasAny: Bool { lock.withLock { isFound } }

  func add(line: [UInt8]) {
    // Mode, size, date, time, name.
    let fields = line.split(separator: 0x20, maxSplits: 4, omittingEmptySubsequences: true)
    guard fields.count == 5 else { return }
    let name = Array(fields[4])
    if name != Array(".".utf8), name != Array("lost+found".utf8) {
      lock.withLock { isFound = true }
    }
  }
}
