import Control
package import Platform
package import Replication

/// What a job that came to its end has done.
package enum MoverSummary: Sendable {
  case session(SessionSummary)
  case restic(ResticSummary)
  case rclone(RcloneSummary)

  /// What is lacking all the same, in a line; nil for a complete run.
  package var shortfall: String? {
    switch self {
    case .session(let summary):
      switch summary.warningCount {
      case 0: nil
      case 1: "1 entry could not be read or applied"
      case let count: "\(count) entries could not be read or applied"
      }
    case .restic(let summary):
      summary.shortfalls.isEmpty ? nil : summary.shortfalls.joined(separator: "; ")
    case .rclone(let summary):
      summary.shortfalls.isEmpty ? nil : summary.shortfalls.joined(separator: "; ")
    }
  }

  /// Whether the run counts in spite of a shortfall: a stored snapshot is worth having, while two
  /// volumes that differ are no replica, and neither is a bucket that lacks files.
  package var countsWithShortfall: Bool {
    switch self {
    case .session, .rclone: false
    case .restic: true
    }
  }

  /// Fields of the status that the run has changed, below the mover's section.
  package var statusFields: JSONObject {
    switch self {
    case .session: JSONObject()
    case .restic(let summary): summary.status.fields
    case .rclone(let summary): summary.statusFields
    }
  }

  /// The summary as lines of a mover's log.
  package var logText: String {
    switch self {
    case .session(let summary): summary.logText
    case .restic(let summary): summary.logText
    case .rclone(let summary): summary.logText
    }
  }
}

extension MoverSummary {
  private static let moverField = "mover"
  private static let resticMover = "restic"
  private static let rcloneMover = "rclone"

  func document(event: String) -> JSONObject {
    switch self {
    case .session(let summary): return summary.document(event: event)
    case .restic(let summary):
      var object = summary.document
      object["event"] = .string(event)
      object[MoverSummary.moverField] = .string(MoverSummary.resticMover)
      return object
    case .rclone(let summary):
      var object = summary.document
      object["event"] = .string(event)
      object[MoverSummary.moverField] = .string(MoverSummary.rcloneMover)
      return object
    }
  }

  init(_ object: JSONObject) throws(JSONError) {
    switch object[MoverSummary.moverField]?.stringValue {
    case MoverSummary.resticMover: self = .restic(try ResticSummary(object))
    case MoverSummary.rcloneMover: self = .rclone(try RcloneSummary(object))
    default: self = .session(try SessionSummary(object))
    }
  }
}
