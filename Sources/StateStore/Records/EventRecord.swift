package import Manifests
package import Platform

/// Something that happened to an object, as `kubectl get events` tells it; the same again is
/// counted.
package struct EventRecord: Sendable, Equatable {
  package enum Severity: String, Sendable {
    case normal = "Normal"
    case warning = "Warning"
  }

  package var severity: Severity
  /// One word in capitals and small letters: `TransferFailed`.
  package var reason: String
  package var message: String
  package var count: Int64
  package var firstTime: WallTime
  package var lastTime: WallTime

  package init(_ severity: Severity, _ reason: String, _ message: String, at time: WallTime) {
    self.severity = severity
    self.reason = reason
    self.message = message.cut(toBytes: StateLimits.recordTextSizeBytesMax)
    count = 1
    firstTime = time
    lastTime = time
  }

  /// Whether the other tells the same.
  func tellsSame(as other: EventRecord) -> Bool {
    severity == other.severity && reason == other.reason && message == other.message
  }
}

extension EventRecord {
  package var document: JSONObject {
    [
      "type": .string(severity.rawValue), "reason": .string(reason), "message": .string(message),
      "count": .integer(count), "firstTimestamp": .string(firstTime.rfc3339),
      "lastTimestamp": .string(lastTime.rfc3339),
    ]
  }

  /// Nil when what must be there is not.
  package init?(_ document: JSONObject) {
    guard let severity = document["type"]?.stringValue.flatMap(Severity.init(rawValue:)),
      let reason = document["reason"]?.stringValue,
      let message = document["message"]?.stringValue,
      let first = document["firstTimestamp"]?.stringValue.flatMap(WallTime.init(rfc3339:)),
      let last = document["lastTimestamp"]?.stringValue.flatMap(WallTime.init(rfc3339:))
    else { return nil }
    self.init(severity, reason, message, at: first)
    lastTime = last
    count = max(1, document["count"]?.integerValue ?? 1)
  }

  /// The events of a file: of those that tell the same, the last line counts.
  static func merged(_ records: [JSONObject]) -> [EventRecord] {
    var events: [EventRecord] = []
    for event in records.lazy.compactMap(EventRecord.init) {
      if let index = events.lastIndex(where: { $0.tellsSame(as: event) }) {
        events.remove(at: index)
      }
      events.append(event)
    }
    return events
  }
}

/// An event with the object that it is about.
package struct ObjectEvent: Sendable, Equatable {
  package var object: ObjectKey
  package var event: EventRecord

  package init(object: ObjectKey, event: EventRecord) {
    self.object = object
    self.event = event
  }
}
