import Pipelines
import Platform

/// Reads chosen packs on all cores; see ``PackContentCheck`` for what is done with each.
///
/// Memory: for each thread a window of some MiB, or its largest blob.
final class PackReading: @unchecked Sendable {
  private struct Job: Sendable {
    let id: PackID
    let sizeBytes: Int64
    let blobs: [PackedBlob]
  }

  private let repository: Repository
  private let index: BlobIndex
  private let findings: CheckFindings
  private let sizes: [PackID: Int64]
  private let isCancelled: @Sendable () -> Bool
  private let observe: @Sendable (CheckEvent) -> Void
  private let jobs = BoundedChannel<Job>(countMax: 16)
  private let lock = Lock()
  private var doneCount = 0
  private var doneBytes: Int64 = 0

  var byteCount: Int64 { lock.withLock { doneBytes } }

  init(
    _ repository: Repository, _ index: BlobIndex, _ findings: CheckFindings,
    _ packs: [ListedPack], isCancelled: @escaping @Sendable () -> Bool,
    observe: @escaping @Sendable (CheckEvent) -> Void
  ) {
    self.repository = repository
    self.index = index
    self.findings = findings
    self.isCancelled = isCancelled
    self.observe = observe
    var sizes: [PackID: Int64] = [:]
    for pack in packs { sizes[pack.id] = Int64(clamping: pack.sizeBytes) }
    self.sizes = sizes
  }

  /// The number 0 hands out the packs, the others read them.
  func run(threadCount: Int) throws(RepositoryError) {
    let jobs = jobs
    try runRepositoryThreads("check", 1 + threadCount, stop: { jobs.fail() }) {
      [self] (number) throws(RepositoryError) in
      if number == 0 { try handOut() } else { try work() }
    }
  }

  private func handOut() throws(RepositoryError) {
    var left = sizes
    do throws(IndexError) {
      try index.forEachPackWithEntries { (pack, blobs) throws(IndexError) in
        guard !pack.isMarked, let sizeBytes = left.removeValue(forKey: pack.id) else { return }
        do throws(ChannelClosed) {
          try jobs.send(Job(id: pack.id, sizeBytes: sizeBytes, blobs: blobs))
        } catch {
          throw .abandoned
        }
      }
    } catch {
      throw RepositoryError(error)
    }
    jobs.close()
  }

  private func work() throws(RepositoryError) {
    let check = try PackContentCheck(repository, findings)
    while true {
      let next: Job?
      // A failure elsewhere closes the channel, and is what is told.
      do throws(ChannelClosed) { next = try jobs.receive() } catch { return }
      guard let job = next else { return }
      if isCancelled() { throw .cancelled }
      try check.run(job.id, sizeBytes: job.sizeBytes, job.blobs)
      let (count, bytes) = lock.withLock { () -> (Int, Int64) in
        doneCount += 1
        doneBytes += job.sizeBytes
        return (doneCount, doneBytes)
      }
      observe(.read(packs: count, of: sizes.count, bytes: bytes))
    }
  }
}
