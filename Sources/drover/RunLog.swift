import Control
import Manifests
import Movers
import Platform

/// Lines about a run for people, on standard error.
final class RunLog: Sendable {
  private let lock = Lock()

  func write(_ line: String) {
    let bytes = Array((line.hasSuffix("\n") ? line : line + "\n").utf8)
    lock.withLock {
      // Nobody reads it: the run goes on, its exit code tells.
      try? SmallFile.write(bytes, to: 2, subject: "standard error")
    }
  }

  /// One notice of one end.
  func write(_ key: ObjectKey, _ notice: RunNotice) {
    let name = "\(key.kind) \(key.namespace ?? "")/\(key.name)"
    switch notice {
    case .started: break
    case .waiting(let time): write("\(name): next run after \(time.rfc3339)")
    case .event(let event):
      if let text = RunLog.text(of: event) { write("\(name): \(text)") }
    case .retrying(let failure, let attempt, let delay):
      write("\(name): \(failure.message); try \(attempt + 1) in \(Int(delay)) s")
    case .completed(nil): write("\(name): done")
    case .completed(let shortfall?): write("\(name): done, but incomplete: \(shortfall)")
    case .givenUp: write("\(name): not run: what it waited for has failed")
    case .failed(let failure):
      write("\(name): failed: \(failure.message)")
      if let hint = failure.hint { write("\(name): \(hint)") }
    }
  }

  /// One notice as a level and a line, for logs of programs; nil when there is nothing to say.
  static func line(of notice: RunNotice) -> (level: String, text: String)? {
    switch notice {
    case .started: ("info", "started")
    case .waiting(let time): ("info", "next run after \(time.rfc3339)")
    case .event(let event): RunLog.text(of: event).map { ("info", $0) }
    case .retrying(let failure, let attempt, let delay):
      ("warning", "\(failure.message); try \(attempt + 1) in \(Int(delay)) s")
    case .completed(nil): ("info", "done")
    case .completed(let shortfall?): ("warning", "done, but incomplete: \(shortfall)")
    case .givenUp: ("warning", "not run: what it waited for has failed")
    case .failed(let failure):
      ("error", "failed: \(failure.message)" + (failure.hint.map { " (\($0))" } ?? ""))
    }
  }

  func write(skipped plan: RunPlan) {
    for end in plan.skipped {
      write("\(end.key): not run: \(end.spec.isPaused ? "it" : "its destination") is paused")
    }
  }

  private static func text(of event: MoverEvent) -> String? {
    switch event {
    case .listening(let address):
      let shown = address.host.isEmpty ? "*:\(address.port)" : "\(address)"
      return "listening on \(shown)"
    case .warning(let path, let message): return "\(path): \(message)"
    case .item(let change, let path): return "\(change) \(path)"
    case .note(let text): return text
    case .summary(let summary):
      return summary.logText.split(separator: "\n").joined(separator: "; ")
    // The failure is told when it is known whether it will be tried again.
    case .progress, .notReady, .fenced, .failure: return nil
    }
  }
}
