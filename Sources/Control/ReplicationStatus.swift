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

/// The runs that were given up since the last one that counted: Drover's own, below `drover`.
package struct FailedRuns: Sendable, Equatable {
  package static let section = "drover"
  /// After a run without trigger was given up, the next one waits a few seconds, then twice as long
  /// each time, up to this.
  package static let pauseSecondsMax: Int64 = 3600

  package var count: Int
  package var lastTime: WallTime
  /// The tag that started the last of them: it does not start another.
  package var manualTag: String?
  /// When a replication without trigger goes on.
  package var retryTime: WallTime?

  package init(
    count: Int, lastTime: WallTime, manualTag: String? = nil, retryTime: WallTime? = nil
  ) {
    self.count = count
    self.lastTime = lastTime
    self.manualTag = manualTag
    self.retryTime = retryTime
  }

  static func pauseSeconds(_ count: Int) -> Int64 {
    count > 10 ? pauseSecondsMax : min(pauseSecondsMax, 5 << Int64(max(0, count - 1)))
  }

  /// Reads the fields; nil when they say nothing that can be gone by.
  fileprivate init?(fields: JSONObject) {
    guard let count = fields["failedRuns"]?.integerValue, (1...Int64(Int32.max)).contains(count),
      let lastTime = fields.time("lastFailureTime")
    else { return nil }
    self.init(
      count: Int(count), lastTime: lastTime, manualTag: fields["failedManualTag"]?.stringValue,
      retryTime: fields.time("retryTime"))
  }

  fileprivate var fields: JSONObject {
    var fields: JSONObject = [
      "failedRuns": .integer(Int64(count)), "lastFailureTime": .string(lastTime.rfc3339),
    ]
    if let manualTag { fields["failedManualTag"] = .string(manualTag) }
    if let retryTime { fields["retryTime"] = .string(retryTime.rfc3339) }
    return fields
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
  package var failedRuns: FailedRuns?
  /// The guard that has ended the last run; until one passes.
  package var guardTrip: GuardTrip?
  /// What the last run that counted has found in the source.
  package var source: SourceTotals?
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
    let conditions = [condition?.document, guardTrip?.condition].compactMap(\.self)
    if !conditions.isEmpty { result["conditions"] = .array(conditions.map(JSONValue.object)) }
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
    var own = failedRuns?.fields ?? JSONObject()
    if let guardTrip { own[GuardTrip.field] = .object(guardTrip.document) }
    if let source {
      own["sourceFiles"] = .integer(source.fileCount)
      own["sourceBytes"] = .integer(source.sizeBytes)
    }
    if !own.members.isEmpty { result[FailedRuns.section] = .object(own) }
    return result
  }

  /// Reads a status that was stored or printed; a field that is not of its form counts as absent,
  /// so that the replication goes on with what is known. `section` is the mover's.
  package init(document: JSONObject, section: String?) {
    condition =
      document["conditions"]?.arrayValue?.lazy.compactMap(\.objectValue)
      .compactMap(SyncCondition.init(document:)).first
    lastManualSync = document["lastManualSync"]?.stringValue
    lastSyncDurationNanoseconds = document["lastSyncDuration"]?.stringValue
      .flatMap(goDurationNanoseconds)
    lastSyncStartTime = document.time("lastSyncStartTime")
    lastSyncTime = document.time("lastSyncTime")
    nextSyncTime = document.time("nextSyncTime")
    latestImage = document["latestImage"]?.objectValue.flatMap(ImageReference.init(document:))
    latestMoverStatus = document["latestMoverStatus"]?.objectValue
      .flatMap(LatestMoverStatus.init(document:))
    let own = document[FailedRuns.section]?.objectValue
    failedRuns = own.flatMap(FailedRuns.init(fields:))
    guardTrip = own?[GuardTrip.field]?.objectValue.flatMap(GuardTrip.init(document:))
    if let files = own?["sourceFiles"]?.integerValue, let bytes = own?["sourceBytes"]?.integerValue,
      files >= 0, bytes >= 0
    {
      source = SourceTotals(fileCount: files, sizeBytes: bytes)
    }
    if let section, let fields = document[section]?.objectValue { moverFields = (section, fields) }
  }
}

extension ImageReference {
  fileprivate init?(document: JSONObject) {
    guard let apiGroup = document["apiGroup"]?.stringValue,
      let kind = document["kind"]?.stringValue, let name = document["name"]?.stringValue
    else { return nil }
    self.init(apiGroup: apiGroup, kind: kind, name: name)
  }
}

extension LatestMoverStatus {
  fileprivate init?(document: JSONObject) {
    guard let result = document["result"]?.stringValue.flatMap(MoverResult.init(rawValue:)) else {
      return nil
    }
    self.init(result: result, logs: Array((document["logs"]?.stringValue ?? "").utf8))
  }
}

extension JSONObject {
  fileprivate func time(_ name: String) -> WallTime? {
    self[name]?.stringValue.flatMap(WallTime.init(rfc3339:))
  }
}

extension SyncCondition {
  fileprivate init?(document: JSONObject) {
    guard document["type"]?.stringValue == SyncCondition.type,
      let reason = document["reason"]?.stringValue.flatMap(Reason.init(rawValue:)),
      let message = document["message"]?.stringValue,
      let time = document.time("lastTransitionTime")
    else { return nil }
    self.init(reason, message: message, at: time)
  }

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
