import BackupRepository
package import Control
import Platform

/// What a backup or a restore has done.
package struct ResticSummary: Sendable, Equatable {
  package enum Direction: String, Sendable {
    case backup
    case restore
  }

  package var direction: Direction
  /// The snapshot that was stored or restored, in hexadecimal digits.
  package var snapshot = ""
  package var fileCount: Int64 = 0
  /// The contents of the files.
  package var sizeBytes: Int64 = 0
  /// What the repository or the volume lacked.
  package var sizeBytesAdded: Int64 = 0
  package var entryCountDeleted: Int64 = 0
  /// Of a backup, where it is known: the packs of the repository, and the snapshots of the volume.
  package var repositoryBytes: Int64?
  package var snapshotCount: Int64?
  /// What was not done, each in a line.
  package var shortfalls: [String] = []
  /// The fields of the status that have changed.
  package var status = ResticStatus()

  package init(_ direction: Direction) { self.direction = direction }

  /// Lines with the words that VolSync's filter of logs keeps.
  package var logText: String {
    let files = "\(fileCount) files, \(ResticSummary.text(sizeBytes))"
    let added = ResticSummary.text(sizeBytesAdded)
    var lines: [String]
    switch direction {
    case .backup:
      lines = ["Added to the repository: \(added)", "processed \(files)"]
    case .restore:
      let deleted = entryCountDeleted > 0 ? ", deleted \(entryCountDeleted)" : ""
      lines = ["processed \(files): \(added) written\(deleted)"]
    }
    lines += shortfalls.map { "incomplete: \($0)" }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func text(_ sizeBytes: Int64) -> String { byteText(UInt64(clamping: sizeBytes)) }
}

private var counts: [(String, WritableKeyPath<ResticSummary, Int64>)] {
  [
    ("files", \.fileCount), ("bytes", \.sizeBytes), ("bytesAdded", \.sizeBytesAdded),
    ("deleted", \.entryCountDeleted),
  ]
}

extension ResticSummary {
  var document: JSONObject {
    var object: JSONObject = [
      "direction": .string(direction.rawValue), "snapshot": .string(snapshot),
    ]
    for (name, path) in counts { object[name] = .integer(self[keyPath: path]) }
    if let repositoryBytes { object["repositoryBytes"] = .integer(repositoryBytes) }
    if let snapshotCount { object["snapshots"] = .integer(snapshotCount) }
    object["shortfalls"] = .array(shortfalls.map(JSONValue.string))
    object["status"] = .object(status.fields)
    return object
  }

  init(_ object: JSONObject) throws(JSONError) {
    guard let direction = Direction(rawValue: try object.string("direction")) else {
      throw JSONError("\"direction\" must be backup or restore")
    }
    self.init(direction)
    snapshot = try object.string("snapshot")
    for (name, path) in counts { self[keyPath: path] = try object.integer(name) }
    repositoryBytes = object["repositoryBytes"]?.integerValue
    snapshotCount = object["snapshots"]?.integerValue
    shortfalls = (object["shortfalls"]?.arrayValue ?? []).compactMap(\.stringValue)
    status = ResticStatus(fields: object["status"]?.objectValue ?? JSONObject())
  }
}
