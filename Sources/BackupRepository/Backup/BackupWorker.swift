import Chunking
import FileTree
import Glibc
import Platform

/// One thread of a backup: lists directories, reads files, stores chunks, writes trees, whatever
/// the schedule has. Keeps its buffers and contexts from one to the next.
final class BackupWorker {
  let session: BackupSession
  let schedule: BackupSchedule
  let options: BackupOptions
  let codec: RepositoryCodec
  let reader: BlobReader
  let decoder: TreeDecoder
  let lister: DirectoryLister
  var encoder = TreeEncoder()
  var zone = LocalZone()
  var accounts = AccountNames()
  var tally: BackupTally
  private let problems: ProblemCount
  private var vanishedByLister = 0
  /// A small file, or what was read of a large one behind the end of a chunk.
  let small: UnsafeMutableRawBufferPointer
  var cutter: ChunkCutter

  init(_ session: BackupSession) throws(RepositoryError) {
    self.session = session
    schedule = session.schedule
    options = session.options
    codec = try session.repository.makeCodec()
    reader = try BlobReader(session.repository, session.index)
    decoder = try TreeDecoder()
    tally = BackupTally()
    cutter = ChunkCutter(session.tables)
    small = .allocate(byteCount: ChunkLimits.byteCountMin, alignment: 4096)
    let problems = ProblemCount()
    let observe = session.observe
    lister = DirectoryLister(session.selection) { _, path, error in
      problems.count += 1
      observe(.problem(BackupProblem(path: path, error: error)))
    }
    self.problems = problems
  }

  deinit { small.deallocate() }

  private final class ProblemCount {
    var count = 0
  }

  /// Works until nothing is left.
  func run() throws(RepositoryError) {
    while let work = schedule.next(&tally) {
      switch work {
      case .chunk(let chunk): try store(chunk)
      case .files(let directory, let range): try storeFiles(of: directory, range)
      case .directory(let directory, let index): try enter(directory, index)
      }
      collectCounts()
    }
    collectCounts()
    schedule.addLast(&tally)
  }

  private func collectCounts() {
    tally.unreadableCount += problems.count
    problems.count = 0
    tally.vanishedCount += lister.vanishedCount - vanishedByLister
    vanishedByLister = lister.vanishedCount
  }

  /// Tells of something that could not be stored.
  func report(_ path: [UInt8], _ error: any DroverError) {
    tally.unreadableCount += 1
    session.observe(.problem(BackupProblem(path: path, error: error)))
  }
}
