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

  /// `served` are the sections that a mover is registered for; `cacheDirectory` is where caches of
  /// repositories stand, nil for none.
  package init(
    _ set: ManifestSet, served: [String], cacheDirectory: String? = nil,
    clock: any Clock = SystemClock()
  ) {
    context = PlanContext(set)
    self.served = served
    self.cacheDirectory = cacheDirectory
    now = clock.wallTime()
  }

  /// Checks references, binds volumes, and makes the job of each end.
  package func plan() throws(RunError) -> RunPlan {
    let set = context.set
    ReferenceCheck(set, problems: context.problems).checkAll()
    var tunnel = RsyncTLSPlanner(context)
    var restic = ResticPlanner(context, cacheDirectory: cacheDirectory, now: now)
    var rclone = RclonePlanner(context)
    var rsync = RsyncSSHPlanner(context)
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
    let hasExternal = set.objects.contains { object in
      if case .external? = (object.manifest as? any Replication)?.mover { true } else { false }
    }
    if tunnel.isEmpty, restic.isEmpty, rclone.isEmpty, rsync.isEmpty,
      context.problems.problems.isEmpty,
      !hasExternal
    {
      let mark = set.objects.first?.mark ?? Mark(file: "-", line: 1, column: 1)
      context.problems.add(
        Problem(mark, "there is no ReplicationSource or ReplicationDestination to run"))
    }
    var plan = RunPlan()
    tunnel.add(to: &plan)
    restic.add(to: &plan)
    rclone.add(to: &plan)
    rsync.add(to: &plan)
    try throwProblems()
    let planned = Set((plan.destinations + plan.sources + plan.skipped).map(\.key))
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
      checkCopyMethod(of: mover, object)
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

  private func checkCopyMethod(of mover: MoverSection, _ object: LoadedObject) {
    guard let method = mover.volume?.copyMethod, !method.value.isDirect else { return }
    context.report(
      object, at: method.mark, "spec.\(mover.name).copyMethod",
      "\(method.value.rawValue) is not served yet: only Direct is")
  }
}
