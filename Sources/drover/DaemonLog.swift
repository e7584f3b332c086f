import Control
import Manifests
import Movers
import Platform

/// What a daemon tells, on standard error: lines for people, or of JSON.
final class DaemonLog: Sendable {
  private let isJSON: Bool
  private let lines = RunLog()
  private let clock: any Clock

  init(isJSON: Bool, clock: any Clock = SystemClock()) {
    self.isJSON = isJSON
    self.clock = clock
  }

  func write(_ text: String) { write(level: "info", text, nil) }

  func write(_ notice: DaemonNotice) {
    switch notice {
    case .run(let key, let notice):
      guard isJSON else { return lines.write(key, notice) }
      if let (level, text) = RunLog.line(of: notice) { write(level: level, text, key) }
    case .problem(let problem): write(level: "error", problem.description, nil)
    case .trouble(let text): write(level: "error", text, nil)
    case .serving(let count): if isJSON { write(level: "info", "serving \(count) objects", nil) }
    }
  }

  private func write(level: String, _ text: String, _ key: ObjectKey?) {
    guard isJSON else { return lines.write(text) }
    var object: JSONObject = [
      "time": .string(clock.wallTime().rfc3339), "level": .string(level),
      "message": .string(text),
    ]
    if let key {
      object["kind"] = .string(key.kind)
      if let namespace = key.namespace { object["namespace"] = .string(namespace) }
      object["name"] = .string(key.name)
    }
    lines.write(String(decoding: JSONValue.object(object).encoded(), as: UTF8.self))
  }
}
