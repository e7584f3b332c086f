import Glibc
import Pipelines
package import Platform
package import Remotes

/// Holds all transfers of a process to a rate that may change with the time of the week. Any thread
/// may call; whoever comes while another one waits, waits behind it.
package final class BandwidthLimit: Sendable {
  private enum Direction {
    case sending
    case receiving
  }

  /// One way, and its rate as it was last looked up. Guarded by its own lock.
  private final class Way: @unchecked Sendable {
    let lock = Lock()
    var bytesPerSecond: Int64?
    var pacer: Pacer?
    var nextLook = MonotonicTime(nanoseconds: .min)
  }

  /// What passes at once, at most: small enough that a cancellation shows soon.
  private static let stepByteCountMax = 256 << 10
  private static let lookSeconds = 1.0

  private let timetable: BandwidthTimetable
  private let clock: any Clock
  private let minuteOfWeek: @Sendable (WallTime) -> Int
  private let isCancelled: @Sendable () -> Bool
  private let sending = Way()
  private let receiving = Way()

  package init(
    _ timetable: BandwidthTimetable, clock: any Clock = SystemClock(),
    minuteOfWeek: @escaping @Sendable (WallTime) -> Int = BandwidthLimit.localMinuteOfWeek,
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) {
    self.timetable = timetable
    self.clock = clock
    self.minuteOfWeek = minuteOfWeek
    self.isCancelled = isCancelled
  }

  /// Minutes since Sunday 00:00 of the local clock (`localtime_r`).
  package static func localMinuteOfWeek(_ time: WallTime) -> Int {
    var seconds = time_t(time.seconds)
    var calendar = tm()
    guard localtime_r(&seconds, &calendar) != nil else { return 0 }
    return (Int(calendar.tm_wday) * 24 + Int(calendar.tm_hour)) * 60 + Int(calendar.tm_min)
  }

  /// Blocks until `count` more bytes may go out, or all is cancelled.
  package func send(_ count: Int) { pace(count, sending, .sending) }

  /// Blocks until `count` more bytes may come in, or all is cancelled.
  package func receive(_ count: Int) { pace(count, receiving, .receiving) }

  private func pace(_ count: Int, _ way: Way, _ direction: Direction) {
    var rest = count
    while rest > 0, !isCancelled() {
      let passed = way.lock.withLock { step(rest, way, direction) }
      rest -= passed
    }
  }

  /// Lets a part of `count` bytes through; gives its size.
  private func step(_ count: Int, _ way: Way, _ direction: Direction) -> Int {
    look(way, direction)
    guard let rate = way.bytesPerSecond else { return count }
    let size = min(count, max(1, min(Int(rate / 10), BandwidthLimit.stepByteCountMax)))
    way.pacer?.pace(size)
    return size
  }

  /// Looks the rate up, once a second.
  private func look(_ way: Way, _ direction: Direction) {
    let now = clock.monotonicTime()
    guard now >= way.nextLook else { return }
    way.nextLook = now.advanced(bySeconds: BandwidthLimit.lookSeconds)
    let limit = timetable.limit(atMinuteOfWeek: minuteOfWeek(clock.wallTime()))
    let rate = direction == .sending ? limit.sendBytesPerSecond : limit.receiveBytesPerSecond
    guard rate != way.bytesPerSecond else { return }
    way.bytesPerSecond = rate
    way.pacer = rate.map { Pacer(bytesPerSecond: Int($0), clock: clock) }
  }
}

/// Holds the requests of a process to a count a second. Any thread may call.
package final class RequestLimit: @unchecked Sendable {
  /// Of one request, so that a rate below one a second is a whole number.
  private static let unitCount = 1000

  private let lock = Lock()
  // Guarded by `lock`.
  private var pacer: Pacer

  /// Nil for a rate that is no limit.
  package init?(perSecond: Double, clock: any Clock = SystemClock()) {
    guard perSecond > 0, perSecond < 1e6 else { return nil }
    pacer = Pacer(
      bytesPerSecond: max(1, Int(perSecond * Double(RequestLimit.unitCount))), clock: clock)
  }

  /// Blocks until another request may go out.
  package func pass() { lock.withLock { pacer.pace(RequestLimit.unitCount) } }
}
