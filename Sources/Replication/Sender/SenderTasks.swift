import FileTree
import Pipelines
import Platform

/// One piece of work for a data lane of the sender.
enum SenderTask: Sendable {
  /// A whole file of a directory.
  case whole(request: UInt32, DirectoryListing, index: Int)
  /// One segment of a file against the receiver's page sums.
  case segment(SenderFile, PageSums)
  /// One segment with a rolling span whose signature has come.
  case rolling(SenderFile, PageSums, RollingSpan, signature: [UInt8])
  /// One segment as literals.
  case resend(SenderFile, segment: UInt32)
  /// A file that could not go as a delta, whole.
  case wholeAnew(SenderFile)
  /// The end of a file that went in segments.
  case finish(SenderFile)
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
