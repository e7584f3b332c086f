import Platform
import Synchronization

/// What the threads of one end are at, for the heartbeats that it sends and for its own patience.
final class SessionActivity: Sendable {
  private let steps = Atomic<UInt64>(0)
  private let longCalls = Atomic<Int>(0)

  /// One more piece of work is done. Costs next to nothing.
  func step() { steps.add(1, ordering: .relaxed) }

  /// Changes when work was done.
  var stepCount: UInt64 { steps.load(ordering: .relaxed) }

  /// Some thread is in a call that may last and tells nothing before its end.
  var isBusy: Bool { longCalls.load(ordering: .relaxed) > 0 }

  /// Runs a call that may last for long: `syncfs`, the removal of a tree, the reading of a
  /// directory.
  func busy<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
    longCalls.add(1, ordering: .relaxed)
    defer {
      longCalls.subtract(1, ordering: .relaxed)
      step()
    }
    return try body()
  }
}

/// How long an end bears with a session that does not get on.
package struct Patience: Sendable {
  /// Without any record but heartbeats, and without work of this end. An honest peer at work says
  /// so every few seconds, so this is only to outlast a single slow call on its disk.
  package var stallSeconds: Double
  /// The same while the peer, or this end, is in one call that may last: an unwritten cache of a
  /// terabyte at 20 MB/s takes `syncfs` 14 hours.
  package var busySeconds: Double

  package init(
    stallSeconds: Double = WireLimits.stallSecondsMax,
    busySeconds: Double = WireLimits.busySecondsMax
  ) {
    self.stallSeconds = stallSeconds
    self.busySeconds = busySeconds
  }
}

/// Ends a session that does not get on. Belongs to the thread that reads; a peer of which nothing
/// comes at all is the stream's time-out to find.
struct StallWatch {
  private let patience: Patience
  private let activity: SessionActivity
  private var lastProgress: MonotonicTime
  private var lastSteps: UInt64

  init(_ patience: Patience, _ activity: SessionActivity, now: MonotonicTime = .now()) {
    self.patience = patience
    self.activity = activity
    lastProgress = now
    lastSteps = activity.stepCount
  }

  /// Takes note of a record: of a heartbeat, or of any other when `heartbeat` is nil.
  mutating func note(
    heartbeat: FrameType?, now: MonotonicTime = .now()
  ) throws(ReplicationError) {
    let steps = activity.stepCount
    let hasWorked = steps != lastSteps
    lastSteps = steps
    guard let heartbeat, heartbeat != .working, !hasWorked else {
      lastProgress = now
      return
    }
    let isBusy = heartbeat == .busy || activity.isBusy
    let limit = isBusy ? patience.busySeconds : patience.stallSeconds
    if now.seconds(since: lastProgress) > limit { throw .stalled(seconds: limit) }
  }
}

extension RecordHeader {
  /// The type of a record that is a heartbeat and nothing else.
  func heartbeat(_ body: UnsafeRawBufferPointer) throws -> FrameType? {
    guard lane == 0, !isCompressed, rawSize == 4 else { return nil }
    var frames = FrameIterator(body)
    guard let frame = try frames.next(), frame.type.isHeartbeat else { return nil }
    return frame.type
  }
}

extension FrameType {
  /// A sign of life, always a record of its own.
  var isHeartbeat: Bool { self == .ping || self == .working || self == .busy }
}
