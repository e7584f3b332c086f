import Manifests
import Platform

/// The lines about a replication that say what it does and how it goes.
struct ReplicationSummary {
  let view: ReplicationView
  private let object: JSONObject
  private let now: WallTime
  private let isSource: Bool

  init(_ object: JSONObject, now: WallTime, isSource: Bool) {
    self.object = object
    self.now = now
    self.isSource = isSource
    view = ReplicationView(object)
  }

  var lastWords: String? { object.text("status", "latestMoverStatus", "logs") }

  var pairs: [(String, String)] {
    var pairs: [(String, String)] = [
      (isSource ? "Source" : "Destination", volume), ("Mover", mover), ("Copy", copy),
      ("Trigger", trigger), ("State", state), ("Last Sync", lastSync), ("Next Sync", nextSync),
    ]
    if let seconds = view.lagSeconds(now: now) {
      pairs.append(("Lag", "\(ageText(seconds: seconds)) behind the source"))
    }
    for (title, field) in [
      ("Waits For", "waitingFor"), ("Fenced", "fenced"), ("Promoted", "promoted"),
    ] {
      if let text = view.mover.flatMap({ object.text("status", $0, field) }) {
        pairs.append((title, text))
      }
    }
    if let result = view.result { pairs.append(("Last Result", result)) }
    if view.failedRunCount > 0 { pairs.append(("Failed Runs", failures)) }
    if let image = object.text("status", "latestImage", "name") {
      let kind = object.text("status", "latestImage", "kind") ?? ""
      pairs.append(("Latest Image", "\(kind)/\(image)"))
    }
    pairs.append(("Guards", guards))
    if let tripped { pairs.append(("Guard Tripped", tripped)) }
    return pairs
  }

  private var volume: String {
    if isSource { return object.text("spec", "sourcePVC") ?? "<none>" }
    if let claim = view.section?["destinationPVC"]?.stringValue { return claim }
    let size = view.section?["capacity"].map(JSONPath.text(of:)) ?? "any size"
    return "made when it runs, \(size)"
  }

  /// The section, and where it leads.
  private var mover: String {
    guard let name = view.mover, let section = view.section else { return "<none>" }
    switch name {
    case "rsyncTLS", "rsync":
      guard isSource else {
        let host = object.text("status", name, "address")
        let port = object.value(["status", name, "port"])?.integerValue
        guard let port else { return name }
        return "\(name), listening on \(host.map { $0.isEmpty ? "*" : $0 } ?? "*"):\(port)"
      }
      guard let address = section["address"]?.stringValue else { return "\(name), to its namesake" }
      let port = section["port"]?.integerValue ?? (name == "rsync" ? 22 : 8000)
      return "\(name), to \(address):\(port)"
    case "restic": return "restic, repository of Secret \(section["repository"]?.stringValue ?? "")"
    case "rclone":
      let remote = section["rcloneConfigSection"]?.stringValue ?? ""
      let path = section["rcloneDestPath"]?.stringValue ?? ""
      return "rclone, \(isSource ? "to" : "from") \(remote):\(path)"
    case "external": return "external: another program's work"
    default: return name
    }
  }

  /// What the mover reads or leaves, and how far it is of one moment.
  private var copy: String {
    let method = view.section?["copyMethod"]?.stringValue ?? "<none>"
    switch (method, isSource) {
    case ("Direct", true), ("None", true):
      return
        "\(method): the volume itself is read, not atomic (files may be of several moments)"
    case ("Direct", false), ("None", false):
      return "\(method): the volume itself is filled, no image is kept"
    case (_, true):
      return "\(method): a point-in-time copy is read\(lastCopy)"
    case (_, false): return "\(method): an image is kept after each run\(lastCopy)"
    }
  }

  /// How the last copy or image was made, and how far it is of one moment.
  private var lastCopy: String {
    guard let copy = object.value(["status", "drover", "copy"])?.objectValue,
      let method = copy.text("method"), let consistency = copy.text("consistency")
    else { return "" }
    return "; the last by \(method), \(consistency)" + (copy.text("note").map { " (\($0))" } ?? "")
  }

  private var trigger: String {
    if let tag = object.text("spec", "trigger", "manual"), !tag.isEmpty {
      let last = object.text("status", "lastManualSync")
      return "manual, tag \"\(tag)\"" + (last == tag ? " (done)" : " (not done)")
    }
    guard let schedule = object.text("spec", "trigger", "schedule"), !schedule.isEmpty else {
      return "none: again as soon as a run has ended"
    }
    let zone = annotation(.timeZone).map { ", \($0)" } ?? ""
    let jitter = annotation(.jitter).map { ", up to \($0) later" } ?? ""
    return "schedule \(schedule)\(zone)\(jitter)"
  }

  private func annotation(_ annotation: Annotation) -> String? {
    object.text("metadata", "annotations", annotation.name)
  }

  private var state: String {
    let since =
      view.condition?["lastTransitionTime"]?.stringValue.flatMap(WallTime.init(rfc3339:))
      .map { ", since \(ageText(seconds: now.seconds - $0.seconds))" } ?? ""
    if let start = view.time("lastSyncStartTime") {
      return "\(view.state), a run began \(ageText(seconds: now.seconds - start.seconds)) ago"
    }
    return view.state + since
  }

  private var lastSync: String {
    guard let time = view.time("lastSyncTime") else { return "<never>" }
    let took = object.text("status", "lastSyncDuration").map { ", took \($0)" } ?? ""
    return "\(time.rfc3339) (\(ageText(seconds: now.seconds - time.seconds)) ago\(took))"
  }

  private var nextSync: String {
    if view.isPaused { return "<paused>" }
    guard let time = view.time("nextSyncTime") else { return "<none>" }
    let seconds = time.seconds - now.seconds
    let when =
      seconds >= 0 ? "in \(ageText(seconds: seconds))" : "due since \(ageText(seconds: -seconds))"
    return "\(time.rfc3339) (\(when))"
  }

  private var failures: String {
    let status = object.value(["status", "drover"])?.objectValue
    var text = "\(view.failedRunCount) since the last that counted"
    if let last = status?.text("lastFailureTime").flatMap(WallTime.init(rfc3339:)) {
      text += ", the last \(ageText(seconds: now.seconds - last.seconds)) ago"
    }
    if let retry = status?.text("retryTime").flatMap(WallTime.init(rfc3339:)),
      retry.seconds > now.seconds
    {
      text += "; the next in \(ageText(seconds: retry.seconds - now.seconds))"
    }
    return text
  }

  private var guards: String {
    let empty =
      annotation(.allowEmptySource) == "true"
      ? "an empty volume counts (\(Annotation.allowEmptySource.name))"
      : "an empty volume is refused"
    let shares = annotation(.guardLevel).map { "; \(Annotation.guardLevel.name): \($0)" }
    return empty + (shares ?? "; losses and deletions are limited")
  }

  /// What has ended the last run, and the way on.
  private var tripped: String? {
    guard let trip = object.value(["status", "drover", "guard"])?.objectValue,
      let name = trip.text("name")
    else { return nil }
    let since =
      trip.text("since").flatMap(WallTime.init(rfc3339:))
      .map { ", since \(ageText(seconds: now.seconds - $0.seconds))" } ?? ""
    let target = (isSource ? "rs/" : "rd/") + (object.text("metadata", "name") ?? "")
    let namespace = object.text("metadata", "namespace") ?? "default"
    let option = namespace == "default" ? "" : " -n \(namespace)"
    return "\(name)\(since)\n\(trip.text("message") ?? "")\n"
      + "to let the next run pass: drover release \(target)\(option)"
  }
}
