import Glibc
import Platform

/// Which locks runs of this installation have written: an empty file for each, in a directory that
/// outlives a restart of the machine. With it a lock that a power failure has left is known as our
/// own; without a directory such a lock ends by its age.
struct LockLedger: Sendable {
  let directory: String?

  /// The digits of a run; a name from a foreign lock is never used as it is.
  static func isRun(_ run: String) -> Bool {
    run.utf8.count == 32
      && run.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }

  private func path(_ run: String) -> String? {
    guard let directory, LockLedger.isRun(run) else { return nil }
    return "\(directory)/\(run)"
  }

  /// Writes a run down before its lock is stored. A ledger that cannot be written is none.
  func insert(_ run: String) {
    guard let directory, let path = path(run) else { return }
    mkdir(directory, 0o700)
    let raw = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard raw >= 0 else { return }
    _ = Descriptor(owning: raw)
  }

  func contains(_ run: String) -> Bool {
    guard let path = path(run) else { return false }
    return access(path, F_OK) == 0
  }

  func remove(_ run: String) {
    if let path = path(run) { unlink(path) }
  }
}
