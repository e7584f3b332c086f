import Glibc
import Pipelines
package import Platform

/// Starts the write-back of new files as soon as they are complete, and lets go of their pages when
/// they are on the disk. The body of one thread.
///
/// The run's `syncfs` then finds little left to do, and the page cache reuses the same few warm
/// pages instead of taking all the machine's memory for data that nobody will read soon. Both are
/// advice: what comes faster than the thread can take it is left to the kernel, and whether the
/// data arrived is told by `syncfs` alone, on a descriptor that was open before the first write.
package final class WriteBehind: Sendable {
  /// Files that wait for their write-back to start; a descriptor each.
  private static let queueCountMax = 64
  /// Files whose write-back was started; by the time as many more have come, it is mostly done.
  private static let startedCountMax = 128

  private let channel = BoundedChannel<SharedDescriptor>(countMax: queueCountMax)

  package init() {}

  /// Takes a file that will not be written any more; never waits.
  package func add(_ file: SharedDescriptor) {
    // A closed or full channel: the kernel writes the file when it sees fit.
    _ = try? channel.sendIfRoom(file)
  }

  /// No more files come.
  package func close() { channel.close() }

  /// Drops what waits.
  package func fail() { channel.fail() }

  /// The thread's body: until the channel is closed.
  package func run() {
    var started: [SharedDescriptor] = []
    var oldest = 0
    // A failed channel ends the loop as a closed one does: there is nothing to undo.
    while let file = try? channel.receive() {
      FileSystem.startWriteback(file.raw, offset: 0, length: 0)
      guard started.count == WriteBehind.startedCountMax else {
        started.append(file)
        continue
      }
      FileSystem.forgetPages(started[oldest].raw)
      started[oldest] = file
      oldest = (oldest + 1) % WriteBehind.startedCountMax
    }
  }
}
