import Chunking
import Platform

/// What all threads of one backup share.
final class BackupSession: Sendable {
  let repository: Repository
  let options: BackupOptions
  let index: BlobIndex
  let deposit: BlobDeposit
  let selection: SourceSelection
  let schedule: BackupSchedule
  let tables: ChunkerTables
  let start: GoTime
  let observe: @Sendable (BackupEvent) -> Void
  /// Chunks in memory besides one for each thread.
  private static let spareBufferCount = 1

  init(
    _ repository: Repository, _ options: BackupOptions, _ index: BlobIndex, _ writer: PackWriter?,
    start: GoTime, observe: @escaping @Sendable (BackupEvent) -> Void
  ) throws(RepositoryError) {
    self.repository = repository
    self.options = options
    self.index = index
    self.start = start
    self.observe = observe
    deposit = BlobDeposit(index, writer, compressesData: repository.compression != .off)
    selection = SourceSelection(options, cacheDirectory: repository.cacheDirectory)
    schedule = BackupSchedule(
      chunkBufferCount: max(1, options.workerCount) + BackupSession.spareBufferCount)
    do throws(ChunkingError) {
      tables = ChunkerTables(try ChunkerPolynomial(hex: repository.config.chunkerPolynomial))
    } catch {
      throw .corrupt(.config, place: repository.place, reason: error.message)
    }
  }

  /// Walks the source to its end and gives the snapshot's tree; without targets the root is
  /// `options.root`.
  func run(_ targets: TargetNode?, previous: BlobID?) throws(RepositoryError) -> BlobID {
    let root = SourceDirectory(
      path: options.root?.directory ?? [PathText.slash], parent: nil, indexInParent: 0)
    let threads = (0..<max(1, options.workerCount)).map { number in
      Thread("backup \(number)") { [self] in
        work(number == 0 ? (root, targets, previous) : nil)
      }
    }
    watch()
    // Their bodies do not throw: failures are with the schedule.
    for thread in threads { _ = try? thread.join() }
    tellProgress()
    return try schedule.result()
  }

  private func work(_ first: (SourceDirectory, TargetNode?, BlobID?)?) {
    do throws(RepositoryError) {
      let worker = try BackupWorker(self)
      if let (root, targets, previous) = first {
        try worker.start(root, targets, previous: previous)
      }
      try worker.run()
    } catch {
      schedule.fail(error)
    }
  }

  /// Waits for the end; tells the progress and asks whether to go on meanwhile.
  private func watch() {
    var round = 0
    while !schedule.waitForEnd(seconds: 0.1) {
      round += 1
      if options.isCancelled() { return schedule.fail(.cancelled) }
      guard round.isMultiple(of: 10) else { continue }
      do throws(RepositoryError) { try options.mayGoOn() } catch { schedule.fail(error) }
      tellProgress()
    }
  }

  private func tellProgress() {
    let counts = schedule.counts
    var progress = BackupProgress()
    progress.filesFound = counts.filesFound
    progress.bytesFound = counts.bytesFound
    progress.filesDone = Int(counts.summary.totalFilesProcessed)
    progress.bytesDone = Int64(clamping: counts.summary.totalBytesProcessed)
    progress.problemCount = counts.unreadableCount
    let now = options.clock.wallTime()
    progress.secondsElapsed =
      Double(now.seconds - start.seconds)
      + (Double(now.nanoseconds) - Double(start.nanoseconds)) / 1e9
    observe(.progress(progress))
  }
}
