import Control
package import Manifests
import Platform
import Replication
package import StateStore
import Supervision

/// Hands the volume of a promoted destination out: its last committed state, ready to be written.
package enum HandOut {
  /// How long a mover of an earlier process, which the kernel ends, is waited for.
  package static let lockSecondsStandard = 30.0
  private static let lookSeconds = 0.02

  /// Puts back what a session that was cut short has overwritten in place; nothing else of it can
  /// be taken back. Safe to repeat after a crash at any point. Blocks.
  ///
  /// Gives what the status says of it.
  static func perform(_ root: String, _ generation: Int64, since time: WallTime) throws -> String {
    _ = try RollBack(root: root) { _, _ in }.run()
    return "generation \(generation), since \(time.rfc3339): \(root) is handed out for writing"
  }

  /// The same for a destination of a state directory that no daemon keeps.
  package static func perform(
    _ key: ObjectKey, in directory: StateDirectory, served: [String],
    lockSecondsMax: Double = lockSecondsStandard
  ) throws {
    let record = try directory.relationFile(of: key).read()
    guard let time = record.promotedTime else { return }
    let set = ServedSet.objects(of: try directory.load())
    let plan = RunPlanner(set, served: served, keys: .always).planEach()
    guard let end = plan.plan.ends.first(where: { $0.key == key }), let job = end.job.rsyncTLS
    else {
      let text = plan.problems[key]?.map(\.description).joined(separator: "\n")
      throw StateError.refused(
        "\(key) is promoted, but its volume is not found: \(text ?? "it cannot be planned")",
        hint: "Mend that and say it again.")
    }
    let lockPath = "\(try directory.makeWorkDirectory())/\(key.lockName)"
    // A mover of a daemon that was killed just now ends by itself.
    let deadline = MonotonicTime.now().advanced(bySeconds: lockSecondsMax)
    while RunLock.isHeld(lockPath), MonotonicTime.now() < deadline {
      SystemClock().sleep(seconds: lookSeconds)
    }
    guard !RunLock.isHeld(lockPath) else {
      throw StateError.volumeInUse(key)
    }
    let text = try perform(job.root, record.generation, since: time)
    try directory.update(key) { own in
      var section = own.status[RsyncTLSJob.section]?.objectValue ?? JSONObject()
      section[RunEnd.promotedField] = .string(text)
      section[RunEnd.generationField] = .integer(record.generation)
      own.status[RsyncTLSJob.section] = .object(section)
      own.status["lastSyncStartTime"] = nil
    }
  }
}

extension StateError {
  /// What a mover may still be writing is handed out to nobody.
  static func volumeInUse(_ key: ObjectKey) -> StateError {
    .refused(
      "\(key) is promoted, but a mover of an earlier process still writes to its volume",
      hint: "End that process, and say it again.")
  }
}
