import CPlatform
import Glibc

/// A point of the monotonic clock; comparable within one boot only.
package struct MonotonicTime: Comparable, Sendable {
  package var nanoseconds: Int64

  package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  package static func now() -> MonotonicTime {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return MonotonicTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }

  package static func < (a: MonotonicTime, b: MonotonicTime) -> Bool {
    a.nanoseconds < b.nanoseconds
  }

  package func advanced(bySeconds seconds: Double) -> MonotonicTime {
    MonotonicTime(nanoseconds: nanoseconds + Int64(seconds * 1e9))
  }

  /// Seconds from `earlier` to this point.
  package func seconds(since earlier: MonotonicTime) -> Double {
    Double(nanoseconds - earlier.nanoseconds) / 1e9
  }
}

/// A point of the wall clock, nanoseconds since 1970-01-01T00:00:00Z.
package struct WallTime: Comparable, Sendable, Hashable {
  package var seconds: Int64
  package var nanoseconds: Int32

  package init(seconds: Int64, nanoseconds: Int32 = 0) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }

  package static func now() -> WallTime {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return WallTime(seconds: Int64(time.tv_sec), nanoseconds: Int32(time.tv_nsec))
  }

  package static func < (a: WallTime, b: WallTime) -> Bool {
    (a.seconds, a.nanoseconds) < (b.seconds, b.nanoseconds)
  }

  /// RFC 3339, UTC, whole seconds: `2026-07-02T10:00:00Z`.
  package var rfc3339: String {
    var parts = tm()
    var seconds = time_t(self.seconds)
    gmtime_r(&seconds, &parts)
    func pad(_ value: Int32, _ width: Int = 2) -> String {
      let text = String(value)
      return String(repeating: "0", count: max(0, width - text.count)) + text
    }
    return "\(pad(parts.tm_year + 1900, 4))-\(pad(parts.tm_mon + 1))-\(pad(parts.tm_mday))"
      + "T\(pad(parts.tm_hour)):\(pad(parts.tm_min)):\(pad(parts.tm_sec))Z"
  }
}

/// The clock and the sleep of a component, passed in so that tests can turn them.
package protocol Clock: Sendable {
  func wallTime() -> WallTime
  func monotonicTime() -> MonotonicTime
  func sleep(seconds: Double)
}

package struct SystemClock: Clock {
  package init() {}
  package func wallTime() -> WallTime { .now() }
  package func monotonicTime() -> MonotonicTime { .now() }
  package func sleep(seconds: Double) {
    guard seconds > 0 else { return }
    var time = timespec(
      tv_sec: Int(seconds), tv_nsec: Int(seconds.truncatingRemainder(dividingBy: 1) * 1e9))
    var rest = timespec()
    while nanosleep(&time, &rest) != 0, Glibc.errno == EINTR { time = rest }
  }
}

/// CPU time used so far by the calling thread, nanoseconds.
package func threadCPUNanoseconds() -> Int64 { drover_thread_cpu_ns() }
