import Glibc
package import Platform

/// Checks of the machine: directories, free space, the clock.
package struct HostChecks: Sendable {
  /// Below this a state directory or a destination soon has no room: of a hundred, and bytes.
  private static let freePercentMin: UInt64 = 5
  private static let freeBytesMin: UInt64 = 64 << 20
  /// A file that is newer than the clock by more than this tells of a clock that was set back.
  private static let futureSecondsMax: Int64 = 60
  /// 2025-01-01: no machine with this program has an earlier time.
  private static let earliestSeconds: Int64 = 1_735_689_600

  private let now: WallTime

  package init(now: WallTime) { self.now = now }

  /// A directory that holds keys: there, ours alone, with room.
  package func stateDirectory(_ path: String) -> [HealthCheck] {
    var information = stat()
    guard stat(path, &information) == 0, information.st_mode & S_IFMT == S_IFDIR else {
      return [
        HealthCheck(
          .fail, "state", "there is no directory \(path)",
          advice: "Apply something, or name the directory with --state.")
      ]
    }
    var checks: [HealthCheck] = []
    if information.st_mode & 0o077 != 0, information.st_mode & 0o022 != 0 {
      checks.append(
        HealthCheck(
          .fail, "state", "others may write to \(path), which holds keys",
          advice: "chmod go-rwx \(path)"))
    } else if information.st_mode & 0o055 != 0 {
      checks.append(
        HealthCheck(
          .warn, "state", "others may read \(path)", advice: "chmod go-rwx \(path)"))
    } else if access(path, R_OK | W_OK | X_OK) != 0 {
      checks.append(
        HealthCheck(.fail, "state", "\(path): \(PlatformError.reason(of: errno))"))
    } else {
      checks.append(HealthCheck(.ok, "state", "\(path) is ours alone"))
    }
    return checks + [freeSpace("state", path)]
  }

  /// The room of the file system of a path.
  package func freeSpace(_ subject: String, _ path: String) -> HealthCheck {
    var information = statvfs()
    guard statvfs(path, &information) == 0 else {
      return HealthCheck(.fail, subject, "\(path): \(PlatformError.reason(of: errno))")
    }
    let unit = UInt64(information.f_frsize)
    let (free, total) = (UInt64(information.f_bavail) * unit, UInt64(information.f_blocks) * unit)
    let inodes = (free: UInt64(information.f_favail), total: UInt64(information.f_files))
    return HostChecks.judge(subject, path, free: free, total: total, inodes: inodes)
  }

  /// A pure function of the figures.
  package static func judge(
    _ subject: String, _ path: String, free: UInt64, total: UInt64,
    inodes: (free: UInt64, total: UInt64)
  ) -> HealthCheck {
    let text = "\(size(free)) of \(size(total)) free at \(path)"
    if free < freeBytesMin {
      return HealthCheck(.fail, subject, text, advice: "Make room: runs will fail.")
    }
    // File systems that make inodes as they need them have none to count.
    if inodes.total > 0, inodes.free < 1000 {
      return HealthCheck(
        .fail, subject, "\(inodes.free) inodes free at \(path)",
        advice: "Remove files: no more can be made.")
    }
    if total > 0, free / max(1, total / 100) < freePercentMin {
      return HealthCheck(.warn, subject, text, advice: "Make room before it is full.")
    }
    return HealthCheck(.ok, subject, text)
  }

  private static func size(_ bytes: UInt64) -> String {
    var (value, unit) = (Double(bytes) / 1024, 0)
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    while value >= 1024, unit + 1 < units.count { (value, unit) = (value / 1024, unit + 1) }
    let tenths = Int64((value * 10).rounded())
    return "\(tenths / 10).\(tenths % 10) \(units[unit])"
  }

  /// `newest` is the time of the newest record that is known.
  package func clock(newest: WallTime?) -> HealthCheck {
    if now.seconds < HostChecks.earliestSeconds {
      return HealthCheck(
        .fail, "clock", "it says \(now.rfc3339), which is past",
        advice: "Set it; schedules and retention go by it.")
    }
    if let newest, newest.seconds - now.seconds > HostChecks.futureSecondsMax {
      return HealthCheck(
        .fail, "clock", "it says \(now.rfc3339), but there is a record of \(newest.rfc3339)",
        advice: "It was set back, or was wrong before: set it by a time service.")
    }
    // systemd-timesyncd touches it when it has the time.
    let isSynchronized = access("/run/systemd/timesync/synchronized", F_OK) == 0
    return HealthCheck(
      .ok, "clock", now.rfc3339 + (isSynchronized ? ", kept by systemd-timesyncd" : ""))
  }
}
