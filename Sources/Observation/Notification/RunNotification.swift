package import Manifests
package import Platform
package import StateStore

/// What others are told of a run: that it has begun, and how it ended.
package struct RunNotification: Sendable, Equatable {
  package enum Event: String, Sendable {
    case start
    case success
    case failure
  }

  package var event: Event
  package var key: ObjectKey
  package var time: WallTime
  /// Of a run that is over.
  package var run: RunRecord?

  package init(_ event: Event, _ key: ObjectKey, at time: WallTime, run: RunRecord? = nil) {
    self.event = event
    self.key = key
    self.time = time
    self.run = run
  }

  /// Nil for what is no end of a run of its own: missed times, and runs that are begun again.
  package init?(_ run: RunRecord, _ key: ObjectKey) {
    switch run.outcome {
    case .successful: self.init(.success, key, at: run.ended, run: run)
    case .incomplete, .failed: self.init(.failure, key, at: run.ended, run: run)
    case .cancelled, .interrupted, .missed: return nil
    }
  }

  /// The body of a webhook.
  package var document: JSONObject {
    var object: JSONObject = [
      "event": .string(event.rawValue), "kind": .string(key.kind), "name": .string(key.name),
      "time": .string(time.rfc3339),
    ]
    if let namespace = key.namespace { object["namespace"] = .string(namespace) }
    if let run { object["run"] = .object(run.document) }
    return object
  }

  /// The URL of a ping: names in place of `{name}`, `{namespace}` and `{kind}`; `/start` or `/fail`
  /// at its end but for a success, as monitors of periodic jobs take it.
  package func pingURL(_ template: String) -> String {
    var url = template
    for (field, value) in [
      ("{name}", key.name), ("{namespace}", key.namespace ?? ""), ("{kind}", key.kind.lowercased()),
    ] {
      // Names of objects need no encoding: small letters, digits, dots, hyphens.
      url = url.replacing(field, with: value)
    }
    let suffix =
      switch event {
      case .start: "/start"
      case .success: ""
      case .failure: "/fail"
      }
    guard let question = url.firstIndex(of: "?") else { return url + suffix }
    return url[..<question] + suffix + url[question...]
  }
}
