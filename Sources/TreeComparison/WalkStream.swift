package import FileTree
import Pipelines
import Platform

/// One step of a walk on another thread.
package struct WalkStep: Sendable {
  /// The directory; nil when only problems are left to tell at the end of the tree.
  package let listing: DirectoryListing?
  /// Entries that could not be read since the step before.
  package let problems: [TreeError]
}

/// A walk on a thread of its own, because reading directories moves the working directory of its
/// thread. Reads ahead by a bounded number of directories and bytes.
package final class WalkStream {
  private let channel: BoundedChannel<WalkStep>
  private let thread: Thread<Void>
  private var isJoined = false

  /// Directories read ahead: enough to bridge the reading of a few files.
  private static let directoryCountMax = 128
  /// Bytes of listings read ahead; one larger listing passes alone.
  private static let weightMax = 8 << 20

  package init(root: TreeRoot, options: WalkOptions) {
    let channel = BoundedChannel<WalkStep>(
      countMax: WalkStream.directoryCountMax, weightMax: WalkStream.weightMax)
    self.channel = channel
    thread = Thread("walk") {
      defer { channel.close() }
      let problems = ProblemList()
      let walk = TreeWalk(root: root, options: options) { problems.errors.append($0) }
      while let listing = try walk.next() {
        try channel.send(
          WalkStep(listing: listing, problems: problems.take()), weight: listing.weight)
      }
      let last = problems.take()
      if !last.isEmpty { try channel.send(WalkStep(listing: nil, problems: last)) }
    }
  }

  /// Blocks until the next step; nil at the end of the tree.
  ///
  /// - Throws: the error of a root that cannot be read.
  package func next() throws -> WalkStep? {
    if let step = try channel.receive() { return step }
    if !isJoined {
      isJoined = true
      try thread.join()
    }
    return nil
  }

  /// Ends the walk early and waits for its thread.
  package func stop() {
    guard !isJoined else { return }
    isJoined = true
    channel.fail()
    // What a walk that nobody listens to has failed with is of no interest.
    _ = try? thread.join()
  }
}

/// Errors of a walk between two of its steps. Confined to the thread of the walk.
private final class ProblemList {
  var errors: [TreeError] = []

  func take() -> [TreeError] {
    defer { errors = [] }
    return errors
  }
}
