import Glibc
import Platform

/// Keeps the highest resident set (VmHWM) of any single process of each end.
///
/// The kernel keeps the high mark, so only what a process gains within one interval before it ends
/// can be missed.
final class MemoryWatch: @unchecked Sendable {
  private static let intervalSeconds = 0.02

  private let lock = Lock()
  private var isStopped = false
  private var peakKiB: [Side: Int] = [:]
  private var thread: Thread<Void>?

  init(_ sandbox: Sandbox) {
    let groups = sandbox.watched
    thread = Thread("memory watch") { [self] in
      let clock = SystemClock()
      while !lock.withLock({ isStopped }) {
        sample(groups)
        clock.sleep(seconds: MemoryWatch.intervalSeconds)
      }
    }
  }

  /// Ends the watch and gives the peaks in KiB.
  func stop() throws -> [Side: Int] {
    lock.withLock { isStopped = true }
    try thread?.join()
    thread = nil
    return peakKiB
  }

  private func sample(_ groups: ControlGroups) {
    for side in Side.allCases {
      let sizes = groups.processes(side).map(MemoryWatch.highMarkKiB)
      peakKiB[side] = max(peakKiB[side] ?? 0, sizes.max() ?? 0)
    }
  }

  private static func highMarkKiB(_ pid: pid_t) -> Int {
    // The process may have ended since the list was read.
    guard let bytes = try? SmallFile.read("/proc/\(pid)/status", sizeBytesMax: 65536) else {
      return 0
    }
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    where line.hasPrefix("VmHWM:") {
      return line.split(separator: " ").compactMap { Int($0) }.first ?? 0
    }
    return 0
  }
}
