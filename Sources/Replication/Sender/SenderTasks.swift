import FileTree
import Pipelines
import Platform

/// One piece of work for a data lane of the sender.
enum SenderTask: Sendable {
  /// A whole file of a directory. By its path: a task that waits must not hold on to a listing.
  case whole(request: UInt32, directory: UInt32, path: [UInt8])
  /// One segment of a file against the receiver's page sums.
  case segment(SenderFile, PageSums)
  /// One segment with a rolling span whose signature has come.
  case rolling(SenderFile, PageSums, RollingSpan, signature: [UInt8])
  /// One segment as literals.
  case resend(SenderFile, segment: UInt32)
  /// A file that could not go as a delta, whole.
  case wholeAnew(SenderFile)
  /// A file, whole, unless its content has this SHA-256.
  case wholeUnlessEqual(SenderFile, digest: [UInt8])
  /// The end of a file that went in segments.
  case finish(SenderFile)
}

/// The queues of the lanes.
///
/// Files of one directory go through one lane: at the other end two threads that make names in the
/// same directory wait for each other in the kernel. Segments of a file go through all lanes.
final class SenderTaskQueues: Sendable {
  private let queues: [BoundedChannel<SenderTask>]

  init(laneCount: Int) {
    queues = (0..<laneCount).map { _ in
      BoundedChannel(countMax: WireLimits.requestCountMax + WireLimits.segmentCountMax)
    }
  }

  /// The queue of a lane, counted from 0.
  func queue(_ lane: Int) -> BoundedChannel<SenderTask> { queues[lane] }

  /// False when the receiver has asked for more than it may.
  func send(_ task: SenderTask) throws -> Bool {
    try queues[Int(task.affinity % UInt32(queues.count))].sendIfRoom(task)
  }

  func close() { for queue in queues { queue.close() } }
  func fail() { for queue in queues { queue.fail() } }
}

extension SenderTask {
  /// Tasks with the same number go through the same lane.
  fileprivate var affinity: UInt32 {
    switch self {
    case .whole(_, let directory, _): directory
    case .segment(let file, let sums), .rolling(let file, let sums, _, _):
      file.request &+ sums.segment
    case .resend(let file, let segment): file.request &+ segment
    case .wholeAnew(let file), .wholeUnlessEqual(let file, _), .finish(let file): file.request
    }
  }
}

/// The receiver's page sums of one segment of a basis.
final class PageSums: Sendable {
  let segment: UInt32
  /// One bit a block of 64 KiB, set for blocks that are all zero.
  let zeroBlocks: [UInt8]
  /// Sums of the pages of all other blocks, in order.
  let sums: [UInt8]

  init(segment: UInt32, zeroBlocks: [UInt8], sums: [UInt8]) {
    self.segment = segment
    self.zeroBlocks = zeroBlocks
    self.sums = sums
  }
}

/// A span of a segment that is coded by rolling against a window of the basis. Offsets in the file.
struct RollingSpan: Sendable {
  var start: Int64
  var end: Int64
}
