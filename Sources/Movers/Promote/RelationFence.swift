package import Platform
import Replication
package import StateStore

/// The fence of a destination whose generation stands in a file.
package struct RelationFence: GenerationFence {
  private static let promotedSeconds = 60

  private let file: RelationFile
  private let name: String
  private let clock: any Clock

  /// `name` is the destination's, for messages.
  package init(_ file: RelationFile, name: String, clock: any Clock = SystemClock()) {
    self.file = file
    self.name = name
    self.clock = clock
  }

  package func admit(_ generation: UInt64) throws {
    let theirs = Int64(clamping: max(1, generation))
    guard theirs <= RelationRecord.generationMax else {
      throw ReplicationError.violation("generation \(generation)")
    }
    try file.update { record in
      if theirs < record.generation {
        throw ReplicationError.fenced(
          generation: UInt64(record.generation), text: fencedText(record, theirs))
      }
      if record.isPromoted {
        throw ReplicationError.notReady(
          seconds: RelationFence.promotedSeconds, reason: RelationFence.promotedReason(name))
      }
      record.generation = theirs
    }
  }

  package func begin(isRevertible: Bool) throws {
    let now = clock.wallTime()
    try file.update { (record) throws(ReplicationError) in
      if record.isPromoted {
        throw .notReady(
          seconds: RelationFence.promotedSeconds, reason: RelationFence.promotedReason(name))
      }
      record.openSessionTime = isRevertible ? nil : record.openSessionTime ?? now
    }
  }

  package func end() throws {
    try file.update { (record) throws(ReplicationError) in record.openSessionTime = nil }
  }

  static func promotedReason(_ name: String) -> String {
    "\(name) is promoted and receives nothing; drover reverse turns the direction round"
  }

  private func fencedText(_ record: RelationRecord, _ theirs: Int64) -> String {
    let time = record.promotedTime.map { " at \($0.rfc3339)" } ?? ""
    return
      "\(name) was promoted\(time) and is of generation \(record.generation), this source of "
      + "generation \(theirs). Nothing is sent any more. To let this side follow the promoted "
      + "volume, run drover reverse on it; to keep this side's data, copy them away first."
  }
}
