import Glibc
import Platform

/// The settings that the installed rsync serves a stock source with: VolSync's two modules, and
/// what keeps a hostile peer inside of them.
///
/// VolSync runs without chroot and munges symbolic links on receipt, to make them harmless. Where
/// the process may call `chroot`, the kernel keeps rsync below the root, and links are received as
/// they are, so none of them is wrong for a moment. Elsewhere links are munged as VolSync's are,
/// and put right at the end (``LinkUnmunging``).
///
/// Source: rsyncd.conf(5); volsync.md 7.2.
struct DaemonSettings: Equatable {
  /// VolSync's names of the modules and files.
  static let dataModule = "data"
  static let controlModule = "control"
  static let completeName = "complete"
  static let mungeListName = "symlink-munging-file"
  /// The longest control file: a list of a hundred thousand links with long paths is 10 MB. Nothing
  /// in them is used, so this only bounds what a peer can put on our disk.
  static let controlFileSizeBytesMax: UInt64 = 64 << 20

  var root: String
  var control: String
  /// Whether the process may call `chroot`.
  var canConfine: Bool
  /// Whether it may give files to their owners.
  var isPrivileged: Bool
  /// Whether a run that deletes is refused, see ``StockReceiver``.
  var refusesDeletions: Bool

  var mungesLinks: Bool { !canConfine }

  /// Options that reach beyond a plain transfer. Devices are never written through; rsync refuses
  /// that by itself.
  private static let refused = [
    "append*", "backup*", "compare-dest", "copy-dest", "copy-devices", "fake-super",
    "keep-dirlinks", "link-dest", "partial-dir", "temp-dir", "write-devices",
  ]

  var text: String {
    var lines = [
      "use chroot = \(canConfine ? "yes" : "no")",
      "munge symlinks = \(mungesLinks ? "yes" : "no")",
      "numeric ids = yes", "open noatime = yes", "read only = no", "write only = yes", "list = no",
      "max verbosity = 10", "transfer logging = yes", "log file = /dev/stderr",
      "log format = \(TransferLog.format)",
    ]
    if isPrivileged { lines += ["uid = 0", "gid = *"] }
    lines += ["", "[\(DaemonSettings.dataModule)]", "path = \(root)"]
    let refused = DaemonSettings.refused + (refusesDeletions ? ["delete*"] : [])
    lines.append("refuse options = \(refused.joined(separator: " "))")
    lines += [
      "", "[\(DaemonSettings.controlModule)]", "path = \(control)",
      "include = /\(DaemonSettings.completeName) /\(DaemonSettings.mungeListName)",
      "exclude = *",
      "refuse options = \((DaemonSettings.refused + ["delete*"]).joined(separator: " "))",
    ]
    return lines.joined(separator: "\n") + "\n"
  }

  /// Why a path cannot stand in the settings, which know no quoting; nil when it can.
  static func problem(ofPath path: String) -> String? {
    guard path.hasPrefix("/"), path != "/" else { return "it must be a directory below /" }
    if path.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f || $0 == 0x25 || $0 == 0x5c }) {
      return "its path has a %, a \\ or a control character"
    }
    let last = path.utf8.last
    return last == 0x20 ? "its path ends with a blank" : nil
  }
}

/// What this process may do, by its effective capabilities.
struct Privileges {
  private let bits: UInt64

  // Source: <linux/capability.h>.
  private static let changeOwner: UInt64 = 1 << 0
  private static let setGroups: UInt64 = 1 << 6
  private static let changeRoot: UInt64 = 1 << 18

  init(bits: UInt64) { self.bits = bits }

  /// Reads `CapEff` of `/proc/self/status`; without it there are none.
  static func ofProcess() -> Privileges {
    // Far above the file's 2 KiB.
    guard let text = try? SmallFile.read("/proc/self/status", sizeBytesMax: 64 << 10) else {
      return Privileges(bits: 0)
    }
    let line = String(decoding: text, as: UTF8.self).split(separator: "\n").first {
      $0.hasPrefix("CapEff:")
    }
    let digits = line?.split(whereSeparator: \.isWhitespace).last ?? "0"
    return Privileges(bits: UInt64(digits, radix: 16) ?? 0)
  }

  var canChangeRoot: Bool { bits & Privileges.changeRoot != 0 }
  var canGiveAway: Bool {
    bits & Privileges.changeOwner != 0 && bits & Privileges.setGroups != 0 && geteuid() == 0
  }
}
