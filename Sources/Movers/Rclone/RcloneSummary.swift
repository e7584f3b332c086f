package import ObjectMirror
package import Platform

/// What a mirror of a volume has done.
package struct RcloneSummary: Sendable {
  /// How it went at one of several remotes.
  package struct Remote: Sendable, Equatable {
    package var address: String
    package var isSuccessful: Bool
    /// What failed, or is lacking.
    package var message: String?
    package var lastSyncTime: String?
  }

  package var direction: RcloneJob.Direction
  package var figures = MirrorFigures()
  /// What the volume holds; of a source alone.
  package var sourceTotals: SourceTotals?
  package var seconds = 0.0
  /// What was not done, each in a line.
  package var shortfalls: [String] = []
  /// Empty when there is one remote.
  package var remotes: [Remote] = []

  package init(_ direction: RcloneJob.Direction) { self.direction = direction }

  /// Adds the outcome of one remote.
  mutating func add(_ outcome: RcloneTransferOutcome, at time: WallTime) {
    figures.add(outcome.figures)
    sourceTotals = sourceTotals ?? outcome.sourceTotals
    shortfalls += outcome.shortfalls
    var remote = Remote(address: outcome.remote.address, isSuccessful: false)
    if let failure = outcome.failure {
      remote.message = failure.description
      shortfalls.append("\(remote.address): \(failure.description)")
    } else if !outcome.shortfalls.isEmpty {
      remote.message = outcome.shortfalls.joined(separator: "; ")
    } else {
      remote.isSuccessful = true
    }
    remote.lastSyncTime = remote.isSuccessful ? time.rfc3339 : outcome.remote.lastSyncTime
    remotes.append(remote)
  }

  /// The fields of `status.rclone`.
  package var statusFields: JSONObject {
    guard !remotes.isEmpty else { return JSONObject() }
    return [RcloneSummary.destinationsField: .array(remotes.map { .object($0.status) })]
  }

  static let destinationsField = "destinations"

  /// Lines with the words that VolSync's filter of logs keeps.
  package var logText: String {
    var lines = shortfalls.map { "incomplete: \($0)" }
    lines.append(MirrorText.block(figures, seconds: seconds))
    lines.append("Rclone completed in \(Int(seconds.rounded()))s")
    return lines.joined(separator: "\n") + "\n"
  }
}

extension RcloneSummary.Remote {
  fileprivate var status: JSONObject {
    var object: JSONObject = [
      "remote": .string(address), "result": .string(isSuccessful ? "Successful" : "Failed"),
    ]
    if let lastSyncTime { object["lastSyncTime"] = .string(lastSyncTime) }
    if let message { object["message"] = .string(message) }
    return object
  }

  /// Nil for what is none.
  fileprivate init?(_ object: JSONObject) {
    guard let address = object["remote"]?.stringValue else { return nil }
    self.init(
      address: address, isSuccessful: object["result"] == .string("Successful"),
      message: object["message"]?.stringValue, lastSyncTime: object["lastSyncTime"]?.stringValue)
  }

  /// When each remote was reached last, by a status that an earlier run has printed.
  static func lastSyncTimes(in fields: JSONObject) -> [String: String] {
    var times: [String: String] = [:]
    for value in fields[RcloneSummary.destinationsField]?.arrayValue ?? [] {
      guard let remote = value.objectValue.flatMap(RcloneSummary.Remote.init) else { continue }
      times[remote.address] = remote.lastSyncTime
    }
    return times
  }
}

private var counts: [(String, WritableKeyPath<MirrorFigures, Int64>)] {
  [
    ("listed", \.listedCount), ("checks", \.checkedCount), ("totalChecks", \.checkTotal),
    ("transfers", \.transferredCount), ("totalTransfers", \.transferTotal),
    ("bytes", \.transferredBytes), ("totalBytes", \.transferTotalBytes),
    ("deletes", \.deletedCount), ("deletedDirs", \.directoriesRemovedCount),
    ("serverSideCopies", \.serverCopyCount), ("serverSideCopyBytes", \.serverCopyBytes),
    ("timesSet", \.timeSetCount), ("errors", \.errorCount),
  ]
}

extension MirrorFigures {
  fileprivate mutating func add(_ other: MirrorFigures) {
    for (_, path) in counts { self[keyPath: path] += other[keyPath: path] }
    mayBeRetried = mayBeRetried || other.mayBeRetried
  }
}

extension RcloneSummary {
  var document: JSONObject {
    var object: JSONObject = [
      "direction": .string(direction.rawValue), "seconds": .double(seconds),
    ]
    for (name, path) in counts { object[name] = .integer(figures[keyPath: path]) }
    if let sourceTotals {
      object["sourceFiles"] = .integer(sourceTotals.fileCount)
      object["sourceBytes"] = .integer(sourceTotals.sizeBytes)
    }
    object["shortfalls"] = .array(shortfalls.map(JSONValue.string))
    object["remotes"] = .array(remotes.map { .object($0.status) })
    return object
  }

  init(_ object: JSONObject) throws(JSONError) {
    guard let direction = RcloneJob.Direction(rawValue: try object.string("direction")) else {
      throw JSONError("\"direction\" must be source or destination")
    }
    self.init(direction)
    seconds = object["seconds"]?.doubleValue ?? 0
    for (name, path) in counts { figures[keyPath: path] = try object.integer(name) }
    if let files = object["sourceFiles"]?.integerValue {
      sourceTotals = SourceTotals(
        fileCount: files, sizeBytes: object["sourceBytes"]?.integerValue ?? 0)
    }
    shortfalls = (object["shortfalls"]?.arrayValue ?? []).compactMap(\.stringValue)
    remotes = (object["remotes"]?.arrayValue ?? []).compactMap {
      $0.objectValue.flatMap(Remote.init)
    }
  }
}
