package import Platform

/// A guard that has ended a run, until one passes.
package struct GuardTrip: Sendable, Equatable {
  /// The type of its condition, beside VolSync's only one.
  package static let conditionType = "GuardTripped"
  /// Below `drover` in the status.
  static let field = "guard"

  package var name: GuardName
  package var message: String
  package var since: WallTime

  package init(_ name: GuardName, _ message: String, since: WallTime) {
    self.name = name
    self.message = message
    self.since = since
  }

  var document: JSONObject {
    [
      "name": .string(name.rawValue), "message": .string(message),
      "since": .string(since.rfc3339),
    ]
  }

  /// Nil when it says nothing that can be gone by.
  init?(document: JSONObject) {
    guard let name = document["name"]?.stringValue.flatMap(GuardName.init(rawValue:)),
      let since = document["since"]?.stringValue.flatMap(WallTime.init(rfc3339:))
    else { return nil }
    self.init(name, document["message"]?.stringValue ?? "", since: since)
  }

  var condition: JSONObject {
    [
      "lastTransitionTime": .string(since.rfc3339), "message": .string(message),
      "reason": .string(reason), "status": .string("True"),
      "type": .string(GuardTrip.conditionType),
    ]
  }

  /// `MassDeletion`.
  private var reason: String {
    name.rawValue.split(separator: "-").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
  }
}
