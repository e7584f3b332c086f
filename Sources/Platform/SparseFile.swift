package import Glibc

/// Where a regular file with holes has data, and its bytes read around the holes. Any number of
/// threads may share one.
///
/// `SEEK_HOLE` walks every extent up to the next hole, under a lock of the file: asked before each
/// read, it costs several times the reading once a file has a few hundred extents. Runs of data
/// that were found are therefore kept. A run that is punched meanwhile still reads as zeros, by the
/// kernel; what was found to be a hole is not kept, so data that appears there is seen.
package final class SparseFile: @unchecked Sendable {
  /// Threads work at different places of a file: a run for each of them.
  private static let runCountMax = 4
  /// Borrowed: open for as long as this lives.
  private let descriptor: Int32
  private let lock = Lock()
  private var runs: [Range<Int64>] = []
  private var nextRun = 0
  private var readsAheadItself = false

  /// - Parameter descriptor: open for as long as this lives.
  package init(descriptor: Int32) {
    self.descriptor = descriptor
    runs.reserveCapacity(SparseFile.runCountMax)
  }

  /// Whether a file holds fewer bytes on its disk than its size says.
  package static func hasHoles(_ status: stat) -> Bool {
    status.st_mode & S_IFMT == S_IFREG && Int64(status.st_blocks) * 512 < Int64(status.st_size)
  }

  /// Turns the kernel's read-ahead off: it reads ahead into holes as into data, and a page taken
  /// and cleared for each 4 KiB of zeros costs more than reading the data. Called before the first
  /// read.
  package func readAheadOfDataOnly() {
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM)
    readsAheadItself = true
  }

  /// The first run of data at or behind an offset, from there on; nil when only a hole is left.
  /// Where nothing can be found out, all is data.
  package func data(from offset: Int64) -> Range<Int64>? {
    let known = lock.withLock { runs.first { $0.contains(offset) } }
    if let known { return offset..<known.upperBound }
    let start = FileSystem.seekData(descriptor, from: offset)
    if start < 0, errno == ENXIO { return nil }
    let hole = start < 0 ? -1 : FileSystem.seekHole(descriptor, from: start)
    let run = start < 0 ? offset..<Int64.max : start..<(hole <= start ? Int64.max : hole)
    lock.withLock {
      if runs.count < SparseFile.runCountMax {
        runs.append(run)
      } else {
        runs[nextRun] = run
        nextRun = (nextRun + 1) % SparseFile.runCountMax
      }
    }
    return run
  }

  /// As ``FileIO/read(_:into:at:)``, but zeros come from here where the file has holes.
  package func read(
    into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
  ) throws(PlatformError) -> Int {
    let end = offset + Int64(buffer.count)
    var position = offset
    func piece(upTo limit: Int64) -> UnsafeMutableRawBufferPointer {
      UnsafeMutableRawBufferPointer(
        rebasing: buffer[Int(position - offset)..<Int(limit - offset)])
    }
    while position < end {
      let run = data(from: position)
      var start = run?.lowerBound ?? position
      if run == nil { start = max(position, try sizeBytes()) }
      if start > position {
        let stop = min(end, start)
        piece(upTo: stop).initializeMemory(as: UInt8.self, repeating: 0)
        position = stop
      }
      guard let run, position < end else { break }
      let stop = min(end, run.upperBound)
      if readsAheadItself, run.upperBound > stop { readAhead(position, stop, run.upperBound) }
      let wanted = Int(stop - position)
      let count = try FileIO.read(descriptor, into: piece(upTo: stop), at: position)
      position += Int64(count)
      if count < wanted { break }
    }
    return Int(position - offset)
  }

  /// Does for data what the kernel does no more: each time that a read ends in another piece of
  /// 1 MiB, the next such piece is asked for.
  private func readAhead(_ start: Int64, _ end: Int64, _ hole: Int64) {
    let window: Int64 = 1 << 20
    guard start / window != end / window else { return }
    let stop = min(hole, (end / window + 2) * window)
    posix_fadvise(descriptor, off_t(end), off_t(stop - end), POSIX_FADV_WILLNEED)
  }

  private func sizeBytes() throws(PlatformError) -> Int64 {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .last("fstat") }
    return Int64(status.st_size)
  }
}
