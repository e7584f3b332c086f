package import Platform

/// The only condition type is `Synchronizing`; reasons and messages are VolSync's to the letter.
package struct SyncCondition: Sendable, Equatable {
  package enum Reason: String, Sendable {
    case syncInProgress = "SyncInProgress"
    case waitingForSchedule = "WaitingForSchedule"
    case waitingForManual = "WaitingForManual"
    case cleaningUp = "CleaningUp"
    case error = "Error"
  }

  package static let type = "Synchronizing"

  package var reason: Reason
  package var message: String
  package var lastTransitionTime: WallTime

  package var isTrue: Bool { reason == .syncInProgress }

  package init(_ reason: Reason, message: String, at time: WallTime) {
    self.reason = reason
    self.message = message
    lastTransitionTime = time
  }
}

package enum MoverResult: String, Sendable {
  case successful = "Successful"
  case failed = "Failed"
}

/// How the mover ended last, with the tail of what it said.
package struct LatestMoverStatus: Sendable, Equatable {
  /// VolSync's `MOVER_LOG_MAX_BYTES`.
  package static let logSizeBytesMax = 1024

  package var result: MoverResult
  package var logs: String

  /// Keeps the last ``logSizeBytesMax`` bytes, from the start of a character.
  package init(result: MoverResult, logs: [UInt8]) {
    self.result = result
    var tail = logs.suffix(LatestMoverStatus.logSizeBytesMax)
    if tail.count < logs.count { tail = tail.drop { $0 & 0xc0 == 0x80 } }
    while let last = tail.last, last == 0x0a || last == 0x0d || last == 0x20 { tail.removeLast() }
    self.logs = String(decoding: tail, as: UTF8.self)
  }
}

/// What a destination keeps after a run.
package struct ImageReference: Sendable, Equatable {
  package var apiGroup: String
  package var kind: String
  package var name: String

  package init(apiGroup: String, kind: String, name: String) {
    self.apiGroup = apiGroup
    self.kind = kind
    self.name = name
  }
}

/// The `status` of a source or a destination (VolSync reference 4.1).
package struct ReplicationStatus: Sendable, Equatable {
  /// End of the last successful run.
  package var lastSyncTime: WallTime?
  /// Set while a run goes on: it is the state variable.
  package var lastSyncStartTime: WallTime?
  package var lastSyncDurationNanoseconds: Int64?
  package var nextSyncTime: WallTime?
  package var lastManualSync: String?
  package var latestMoverStatus: LatestMoverStatus?
  package var latestImage: ImageReference?
  package var condition: SyncCondition?
  /// Fields of the mover's own section, such as `rsyncTLS`, under its name.
  package var moverFields: (section: String, fields: JSONObject)?

  package init() {}

  package static func == (a: ReplicationStatus, b: ReplicationStatus) -> Bool {
    a.document == b.document && a.lastSyncTime == b.lastSyncTime
      && a.lastSyncStartTime == b.lastSyncStartTime
  }

  /// The status as it is printed and stored.
  package var document: JSONObject {
    var result = JSONObject()
    if let condition { result["conditions"] = .array([.object(condition.document)]) }
    if let lastManualSync { result["lastManualSync"] = .string(lastManualSync) }
    if let nanoseconds = lastSyncDurationNanoseconds {
      result["lastSyncDuration"] = .string(goDurationText(nanoseconds: nanoseconds))
    }
    if let lastSyncStartTime { result["lastSyncStartTime"] = .string(lastSyncStartTime.rfc3339) }
    if let lastSyncTime { result["lastSyncTime"] = .string(lastSyncTime.rfc3339) }
    if let image = latestImage {
      result["latestImage"] = .object([
        "apiGroup": .string(image.apiGroup), "kind": .string(image.kind),
        "name": .string(image.name),
      ])
    }
    if let mover = latestMoverStatus {
      result["latestMoverStatus"] = .object([
        "logs": .string(mover.logs), "result": .string(mover.result.rawValue),
      ])
    }
    if let nextSyncTime { result["nextSyncTime"] = .string(nextSyncTime.rfc3339) }
    if let (section, fields) = moverFields, !fields.members.isEmpty {
      result[section] = .object(fields)
    }
    return result
  }
}

extension SyncCondition {
  fileprivate var document: JSONObject {
    [
      "lastTransitionTime": .string(lastTransitionTime.rfc3339),
      "message": .string(message),
      "reason": .string(reason.rawValue),
      "status": .string(isTrue ? "True" : "False"),
      "type": .string(SyncCondition.type),
    ]
  }
}
