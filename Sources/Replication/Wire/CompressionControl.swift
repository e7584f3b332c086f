import Compression
import Glibc
import Platform

/// Decides the compression of data records for all lanes of one sender, from what the lanes see of
/// the data and the writer of the link.
final class CompressionControl: @unchecked Sendable {
  private let choice: CompressionChoice
  private let lock = Lock()
  private var adaptive: AdaptiveLevel
  private var seen = AdaptiveLevel.Observation()
  private var since = MonotonicTime.now()
  /// Observations are handed on in stretches, so that the lock and the clock cost nothing.
  private static let stretchSeconds = 0.1

  init(choice: CompressionChoice) {
    self.choice = choice
    adaptive = AdaptiveLevel(cores: max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
  }

  /// The level for the next record; nil for none.
  var level: Int? {
    switch choice {
    case .none: nil
    case .level(let level): level
    case .adaptive: lock.withLock { adaptive.level }
    }
  }

  /// A lane has compressed a record.
  func record(rawBytes: Int, seconds: Double) {
    guard choice == .adaptive else { return }
    lock.withLock {
      seen.bytesIn += rawBytes
      seen.compressSeconds += seconds
    }
  }

  /// A lane hands over a record as it is.
  func recordUncompressed(_ bytes: Int) {
    guard choice == .adaptive else { return }
    lock.withLock { seen.bytesIn += bytes }
  }

  /// The writer has written `bytes` and was blocked and idle for so long since the last call.
  func recordWrite(bytes: Int, blockedSeconds: Double, waitedSeconds: Double) {
    guard choice == .adaptive else { return }
    lock.withLock {
      seen.bytesOut += bytes
      seen.blockedSeconds += blockedSeconds
      seen.waitedSeconds += waitedSeconds
      let now = MonotonicTime.now()
      let seconds = now.seconds(since: since)
      guard seconds >= CompressionControl.stretchSeconds else { return }
      seen.seconds = seconds
      adaptive.record(seen)
      seen = AdaptiveLevel.Observation()
      since = now
    }
  }
}
