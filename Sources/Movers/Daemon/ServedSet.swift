import Control
import Manifests
import Platform
import StateStore

/// Decides, from one look at the state directory to the next, what is served: what is half written
/// or gone for a moment stays as it was until the next look finds the same.
struct ServedSet {
  struct Look {
    var served: [ServedEnd] = []
    /// Whether the directory has to be looked at again shortly.
    var isUnsettled = false
    /// What is wrong with files, told for the first time.
    var newProblems: [Problem] = []
  }

  private var last: [ObjectKey: ServedEnd] = [:]
  private var brokenStamps: [ObjectKey: FileStamp] = [:]
  private var told: [ObjectKey: [Problem]] = [:]
  private var missing: Set<ObjectKey> = []

  init() {}

  /// The set to plan with: each object with its status and the time when it was made.
  static func objects(of contents: StateContents) -> ManifestSet {
    var set = ManifestSet()
    for object in contents.set.objects {
      guard let own = contents.own[object.key] else { continue }
      _ = set.insert(
        object.with(
          status: own.status, created: own.created, annotations: own.annotations))
    }
    for key in contents.set.broken { set.insertBroken(key) }
    return set
  }

  /// `isKept` tells whether the file of an object that has just been missing is there.
  mutating func look(
    _ contents: StateContents, _ set: ManifestSet,
    _ plan: (plan: RunPlan, problems: [ObjectKey: [Problem]]),
    wasDeleted: (ObjectKey) -> Bool
  ) -> Look {
    var look = Look()
    var current: [ObjectKey: ServedEnd] = [:]
    let ends = Dictionary(
      plan.plan.servedEnds.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
    for object in set.objects {
      guard let mover = (object.manifest as? any Replication)?.mover,
        let own = contents.own[object.key]
      else { continue }
      if case .external = mover { continue }
      var served = ServedEnd(
        object: object, uid: own.uid, status: own.status, end: ends[object.key])
      served.problem = plan.problems[object.key].map(ServedSet.text)
      served.problemGuard = plan.plan.held[object.key]
      served.takeRequests(from: own)
      current[object.key] = served
    }
    keepBroken(contents, &current, &look)
    keepMissing(contents, &current, &look, wasDeleted: wasDeleted)
    last = current
    look.served = Array(current.values)
    return look
  }

  /// What has been asked for of one whose object is as it was; nil when it is not served.
  mutating func ask(_ key: ObjectKey, _ own: OwnRecord) -> ServedEnd? {
    guard var served = last[key], served.uid == own.uid else { return nil }
    served.takeRequests(from: own)
    last[key] = served
    return served
  }

  /// One that cannot be read any more goes on as it was, and is told when it stays so.
  private mutating func keepBroken(
    _ contents: StateContents, _ current: inout [ObjectKey: ServedEnd], _ look: inout Look
  ) {
    for (key, problems) in contents.problems {
      let isOld = brokenStamps[key] == contents.brokenStamps[key]
      if !isOld { look.isUnsettled = true }
      if isOld, told[key] != problems {
        told[key] = problems
        look.newProblems += problems
      }
      guard var served = last[key] else { continue }
      if isOld { served.problem = ServedSet.text(problems) }
      current[key] = served
    }
    brokenStamps = contents.brokenStamps
    told = told.filter { contents.problems[$0.key] != nil }
  }

  /// An editor that writes a file anew may take the old one away first.
  private mutating func keepMissing(
    _ contents: StateContents, _ current: inout [ObjectKey: ServedEnd], _ look: inout Look,
    wasDeleted: (ObjectKey) -> Bool
  ) {
    var stillMissing: Set<ObjectKey> = []
    for (key, served) in last where current[key] == nil && contents.set.object(key) == nil {
      if wasDeleted(key) || missing.contains(key) { continue }
      stillMissing.insert(key)
      current[key] = served
      look.isUnsettled = true
    }
    missing = stillMissing
  }

  private static func text(_ problems: [Problem]) -> String {
    problems.map(\.description).joined(separator: "\n")
  }
}

extension ServedEnd {
  fileprivate mutating func takeRequests(from own: OwnRecord) {
    requestedRun = own.requestedRun
    startedRequest = own.startedRequest
    release = own.release
  }
}

extension RunPlan {
  /// All ends as a service takes them: a source whose destination is paused is paused, too.
  var servedEnds: [RunEnd] {
    destinations + sources
      + skipped.map { end in
        var end = end
        end.spec.isPaused = true
        return end
      }
  }
}
