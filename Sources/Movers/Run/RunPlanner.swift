import Control
package import Manifests
package import Platform

/// Turns a set of objects into a plan, or into everything that stands against it.
package struct RunPlanner {
  /// The port of VolSync's rsync-tls.
  package static let standardPort: UInt16 = 8000

  private let context: PlanContext
  private let served: [String]
  private let cacheDirectory: String?
  private let now: WallTime
  private let keys: KeyGeneration

  /// `served` are the sections that a mover is registered for; `cacheDirectory` is where caches of
  /// repositories stand, nil for none; `volumeRoot` is where volumes are made whose class names no
  /// other directory, nil when none are made.
  package init(
    _ set: ManifestSet, served: [String], cacheDirectory: String? = nil, volumeRoot: String? = nil,
    keys: KeyGeneration = .forPairs, clock: any Clock = SystemClock()
  ) {
    context = PlanContext(set, volumeRoot: volumeRoot)
    self.served = served
    self.cacheDirectory = cacheDirectory
    self.keys = keys
    now = clock.wallTime()
  }

  /// Checks references, binds volumes, and makes the job of each end.
  package func plan() throws(RunError) -> RunPlan {
    let plan = makePlan()
    if plan.ends.isEmpty, context.problems.problems.isEmpty,
      context.volumeProblems.problems.isEmpty, !hasExternal
    {
      let mark = context.set.objects.first?.mark ?? Mark(file: "-", line: 1, column: 1)
      var text = "there is no ReplicationSource or ReplicationDestination to run"
      if let idle = context.set.notServed.first {
        text += "; \(idle.object ?? ""): \(idle.text)"
      }
      context.problems.add(Problem(mark, text))
    }
    try throwProblems()
    return plan
  }

  /// Plans what can be planned, and tells what stands against each of the rest. Each object stands
  /// in a file of its own; an end of which something is told does not run.
  package func planEach() -> (plan: RunPlan, problems: [ObjectKey: [Problem]]) {
    let plan = makePlan()
    let all = context.problems.sorted + context.volumeProblems.sorted
    let byFile = Dictionary(grouping: all, by: \.mark.file)
    let planned = Set(plan.ends.map(\.key))
    let replications = context.set.objects.filter { $0.manifest is any Replication }
    let files = Set(replications.map(\.mark.file))
    // What is told of a Secret stands against those that cannot be planned because of it.
    let shared = all.filter { !files.contains($0.mark.file) }
    var problems: [ObjectKey: [Problem]] = [:]
    for object in replications {
      guard let mover = (object.manifest as? any Replication)?.mover else { continue }
      if case .external = mover { continue }
      var own = byFile[object.mark.file] ?? []
      if own.isEmpty, !planned.contains(object.key) {
        own =
          shared.isEmpty
          ? [Problem(object.mark, object: object.label, "it cannot be planned")] : shared
      }
      if !own.isEmpty { problems[object.key] = own }
    }
    return (plan, problems)
  }

  /// What is wrong with the files, whatever this host is like just now.
  package func specProblems() -> [Problem] {
    _ = makePlan()
    return context.problems.sorted
  }

  private var hasExternal: Bool {
    context.set.objects.contains { object in
      if case .external? = (object.manifest as? any Replication)?.mover { true } else { false }
    }
  }

  private func makePlan() -> RunPlan {
    let set = context.set
    ReferenceCheck(set, problems: context.problems).checkAll()
    var tunnel = RsyncTLSPlanner(context, keys: keys)
    var restic = ResticPlanner(context, cacheDirectory: cacheDirectory, now: now)
    var rclone = RclonePlanner(context)
    var rsync = RsyncSSHPlanner(context, keys: keys)
    for source in set.all(ReplicationSource.self) {
      sort(
        source, rsyncTLS: { tunnel.sources.append($0) }, restic: { restic.sources.append($0) },
        rclone: { rclone.sources.append($0) }, rsync: { rsync.sources.append($0) })
    }
    for destination in set.all(ReplicationDestination.self) {
      sort(
        destination, rsyncTLS: { tunnel.destinations.append($0) },
        restic: { restic.destinations.append($0) }, rclone: { rclone.destinations.append($0) },
        rsync: { rsync.destinations.append($0) })
    }
    var plan = RunPlan()
    tunnel.add(to: &plan)
    restic.add(to: &plan)
    rclone.add(to: &plan)
    rsync.add(to: &plan)
    let planned = Set((plan.destinations + plan.sources + plan.skipped).map(\.key))
    plan.held = context.held
    plan.order = set.objects.map(\.key).filter(planned.contains)
    return plan
  }

  private func throwProblems() throws(RunError) {
    let (problems, volumeProblems) = (context.problems, context.volumeProblems)
    if !problems.problems.isEmpty {
      for problem in volumeProblems.problems { problems.add(problem) }
      throw .invalid(problems.sorted)
    }
    if !volumeProblems.problems.isEmpty { throw .volumes(volumeProblems.sorted) }
  }

  /// Gives a replication to the planner of its section, or reports that there is none; `external`
  /// alone is another's work.
  private func sort<Kind: Replication>(
    _ replication: Kind, rsyncTLS: (Candidate<Kind, RsyncTLSSection>) -> Void,
    restic: (Candidate<Kind, ResticSection>) -> Void,
    rclone: (Candidate<Kind, RcloneSection>) -> Void,
    rsync: (Candidate<Kind, RsyncSection>) -> Void
  ) {
    guard let object = context.set.object(replication.key), let mover = replication.mover else {
      return
    }
    if case .external = mover { return }
    checkAnnotations(of: replication, mover, object)
    if served.contains(mover.name) {
      switch mover {
      case .rsyncTLS(let section):
        return rsyncTLS(Candidate(replication: replication, section: section, object: object))
      case .restic(let section):
        return restic(Candidate(replication: replication, section: section, object: object))
      case .rclone(let section):
        return rclone(Candidate(replication: replication, section: section, object: object))
      case .rsync(let section):
        return rsync(Candidate(replication: replication, section: section, object: object))
      case .syncthing, .external: break
      }
    }
    let list =
      served.count < 2
      ? served.joined()
      : served.dropLast().joined(separator: ", ") + " and \(served[served.count - 1])"
    context.report(
      object, "spec.\(mover.name)",
      "this mover is not served yet: only \(list) \(served.count == 1 ? "is" : "are")")
  }

  /// Refuses annotations that would be of no effect where a user relies on them.
  private func checkAnnotations<Kind: Replication>(
    of replication: Kind, _ mover: MoverSection, _ object: LoadedObject
  ) {
    let name = Annotation.destinations.name
    guard let value = replication.metadata.annotations[name] else { return }
    if case .rclone = mover, Kind.self == ReplicationSource.self { return }
    context.report(
      object, at: value.mark, "metadata.annotations.\(name)",
      "is served for a ReplicationSource with rclone only")
  }
}
