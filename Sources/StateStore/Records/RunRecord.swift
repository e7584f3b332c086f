package import Platform

/// What one run did: kept for `drover history`.
package struct RunRecord: Sendable, Equatable {
  package enum Outcome: String, Sendable {
    case successful = "Successful"
    /// It counts, but something is lacking.
    case incomplete = "Incomplete"
    case failed = "Failed"
    /// Ended before its time, because the object was deleted.
    case cancelled = "Cancelled"
    /// Cut short by the end of the daemon, and begun again.
    case interrupted = "Interrupted"
    /// Runs that were due and did not start: ``RunRecord/missedCount``.
    case missed = "Missed"
  }

  /// A part of a run with its duration.
  package struct Phase: Sendable, Equatable {
    package var name: String
    package var seconds: Double

    package init(name: String, seconds: Double) {
      self.name = name
      self.seconds = seconds
    }
  }

  /// What was moved; nil where the mover does not tell.
  package struct Amounts: Sendable, Equatable {
    package var fileCount: Int64?
    package var readBytes: Int64?
    package var sentBytes: Int64?
    package var storedBytes: Int64?
    /// What the run has found in its source.
    package var sourceFileCount: Int64?
    package var sourceBytes: Int64?
    /// Of a repository after the run: its size, and the snapshots of the volume.
    package var repositoryBytes: Int64?
    package var snapshotCount: Int64?

    package init() {}
  }

  /// The name of the mover's section.
  package var mover: String
  /// Why it started: `first run`, `schedule`, `manual tag "x"` …
  package var cause: String
  package var started: WallTime
  package var ended: WallTime
  package var outcome: Outcome
  package var attemptCount = 0
  package var phases: [Phase] = []
  package var amounts = Amounts()
  package var warningCount: Int64 = 0
  /// What went wrong or is lacking, in a line.
  package var message: String?
  /// What the run has left: a snapshot's ID, an image's name.
  package var result: String?
  /// The stage that everything else waited for.
  package var bottleneck: String?
  /// Whether it ended after the next one should have ended.
  package var isLate = false
  /// With ``Outcome/missed``: how many times of the schedule have passed.
  package var missedCount: Int64?

  package init(
    mover: String, cause: String, started: WallTime, ended: WallTime, outcome: Outcome
  ) {
    self.mover = mover
    self.cause = cause
    self.started = started
    self.ended = ended
    self.outcome = outcome
  }
}

extension RunRecord.Amounts {
  fileprivate static var fields: [(String, WritableKeyPath<RunRecord.Amounts, Int64?>)] {
    [
      ("files", \.fileCount), ("bytesRead", \.readBytes), ("bytesSent", \.sentBytes),
      ("bytesStored", \.storedBytes), ("sourceFiles", \.sourceFileCount),
      ("sourceBytes", \.sourceBytes), ("repositoryBytes", \.repositoryBytes),
      ("snapshots", \.snapshotCount),
    ]
  }
}

extension RunRecord {
  package var document: JSONObject {
    var object: JSONObject = [
      "started": .string(started.rfc3339), "ended": .string(ended.rfc3339),
      "outcome": .string(outcome.rawValue), "mover": .string(mover), "cause": .string(cause),
      "attempts": .integer(Int64(attemptCount)), "warnings": .integer(warningCount),
    ]
    if !phases.isEmpty {
      object["phases"] = .array(
        phases.map { .object(["name": .string($0.name), "seconds": .double($0.seconds)]) })
    }
    for (name, path) in Amounts.fields {
      if let value = amounts[keyPath: path] { object[name] = .integer(value) }
    }
    if isLate { object["late"] = .bool(true) }
    if let message {
      object["message"] = .string(message.cut(toBytes: StateLimits.recordTextSizeBytesMax))
    }
    if let result { object["result"] = .string(result) }
    if let bottleneck { object["bottleneck"] = .string(bottleneck) }
    if let missedCount { object["missed"] = .integer(missedCount) }
    return object
  }

  /// Nil when what must be there is not.
  package init?(_ document: JSONObject) {
    guard let started = document["started"]?.stringValue.flatMap(WallTime.init(rfc3339:)),
      let ended = document["ended"]?.stringValue.flatMap(WallTime.init(rfc3339:)),
      let outcome = document["outcome"]?.stringValue.flatMap(Outcome.init(rawValue:)),
      let mover = document["mover"]?.stringValue, let cause = document["cause"]?.stringValue
    else { return nil }
    self.init(mover: mover, cause: cause, started: started, ended: ended, outcome: outcome)
    attemptCount = Int(clamping: document["attempts"]?.integerValue ?? 0)
    warningCount = document["warnings"]?.integerValue ?? 0
    phases = (document["phases"]?.arrayValue ?? []).compactMap { phase in
      guard let phase = phase.objectValue, let name = phase["name"]?.stringValue,
        let seconds = phase["seconds"]?.doubleValue
      else { return nil }
      return Phase(name: name, seconds: seconds)
    }
    for (name, path) in Amounts.fields { amounts[keyPath: path] = document[name]?.integerValue }
    isLate = document["late"]?.boolValue ?? false
    message = document["message"]?.stringValue
    result = document["result"]?.stringValue
    bottleneck = document["bottleneck"]?.stringValue
    missedCount = document["missed"]?.integerValue
  }
}
