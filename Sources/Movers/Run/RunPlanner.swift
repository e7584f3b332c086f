import Control
package import Manifests
import Platform
import Volumes

/// Turns a set of objects into a plan, or into everything that stands against it.
package struct RunPlanner {
  /// The port of VolSync's rsync-tls.
  package static let standardPort: UInt16 = 8000

  private let set: ManifestSet
  private let served: [String]
  private let binder: VolumeBinder
  private let problems = ProblemList()
  private let volumeProblems = ProblemList()

  /// `served` are the sections that a mover is registered for.
  package init(_ set: ManifestSet, served: [String]) {
    self.set = set
    self.served = served
    binder = VolumeBinder(set)
  }

  /// Checks references, binds volumes, pairs ends and chooses keys.
  package func plan() throws(RunError) -> RunPlan {
    ReferenceCheck(set, problems: problems).checkAll()
    let sources = set.all(ReplicationSource.self).compactMap(candidate)
    let destinations = set.all(ReplicationDestination.self).compactMap(candidate)
    let hasExternal = set.objects.contains { object in
      if case .external? = (object.manifest as? any Replication)?.mover { true } else { false }
    }
    if sources.isEmpty, destinations.isEmpty, problems.problems.isEmpty, !hasExternal {
      let mark = set.objects.first?.mark ?? Mark(file: "-", line: 1, column: 1)
      problems.add(Problem(mark, "there is no ReplicationSource or ReplicationDestination to run"))
    }
    let pairing = Pairing(sources: sources, destinations: destinations, problems: problems)
    let keys = KeyChoice(set, pairing, problems: problems)
    var plan = RunPlan()
    for destination in destinations {
      add(destination, to: &plan, pairing: pairing, keys: keys)
    }
    for source in sources { add(source, to: &plan, pairing: pairing, keys: keys) }
    if !problems.problems.isEmpty {
      for problem in volumeProblems.problems { problems.add(problem) }
      throw .invalid(problems.sorted)
    }
    if !volumeProblems.problems.isEmpty { throw .volumes(volumeProblems.sorted) }
    let planned = Set((plan.destinations + plan.sources + plan.skipped).map(\.key))
    plan.order = set.objects.map(\.key).filter(planned.contains)
    return plan
  }

  /// The replication as one that can be run, or nil after a report; `external` alone is another's
  /// work.
  private func candidate<Kind: Replication>(_ replication: Kind) -> Candidate<Kind>? {
    guard let object = set.object(replication.key), let mover = replication.mover else {
      return nil
    }
    if case .external = mover { return nil }
    guard case .rsyncTLS(let section) = mover, served.contains(mover.name) else {
      let list = served.joined(separator: ", ")
      problems.add(
        Problem(
          object.mark, object: object.label, path: "spec.\(mover.name)",
          "this mover is not served yet: only \(list) is"))
      return nil
    }
    if let method = section.volume.copyMethod, !method.value.isDirect {
      problems.add(
        Problem(
          method.mark, object: object.label, path: "spec.\(mover.name).copyMethod",
          "\(method.value.rawValue) is not served yet: only Direct is"))
    }
    return Candidate(replication: replication, section: section, object: object)
  }

  private func add(
    _ destination: Candidate<ReplicationDestination>, to plan: inout RunPlan, pairing: Pairing,
    keys: KeyChoice
  ) {
    guard
      let volume = bind(
        destination.object,
        { () throws(VolumeError) in
          try binder.bind(destination: destination.replication)
        })
    else { return }
    if let wanted = destination.section.volume.volumeMode, wanted != volume.mode {
      problems.add(
        Problem(
          destination.object.mark, object: destination.object.label,
          path: "spec.rsyncTLS.volumeMode",
          "is \(wanted.rawValue), but \(volume.path) is \(volume.mode.rawValue)"))
    }
    let listen = pairing.listenAddress(of: destination)
    var job = RsyncTLSJob(
      .receive, root: volume.path, host: listen.host, port: listen.port,
      key: keys.key(of: destination.replication.key))
    job.excludes = RsyncTLSJob.standardExcludes
    let end = RunEnd(
      object: destination.object, spec: destination.spec, section: "rsyncTLS", job: job,
      generatedKeySecret: keys.generatedName(of: destination.replication.key))
    if destination.spec.isPaused { plan.skipped.append(end) } else { plan.destinations.append(end) }
  }

  private func add(
    _ source: Candidate<ReplicationSource>, to plan: inout RunPlan, pairing: Pairing,
    keys: KeyChoice
  ) {
    guard
      let volume = bind(
        source.object,
        { () throws(VolumeError) in
          try binder.bind(source: source.replication)
        })
    else { return }
    let peer = pairing.destination(of: source.replication.key)
    var job = RsyncTLSJob(
      .send, root: volume.path, host: source.section.address?.value ?? "",
      port: source.section.port ?? RunPlanner.standardPort,
      key: keys.key(of: source.replication.key))
    job.allowEmptySource = source.replication.metadata[.allowEmptySource] == "true"
    job.excludes = RsyncTLSJob.standardExcludes
    let end = RunEnd(
      object: source.object, spec: source.spec, section: "rsyncTLS", job: job,
      generatedKeySecret: nil, peer: peer?.replication.key)
    if source.spec.isPaused || peer?.spec.isPaused == true {
      plan.skipped.append(end)
    } else {
      plan.sources.append(end)
    }
  }

  private func bind(
    _ object: LoadedObject, _ body: () throws(VolumeError) -> BoundVolume
  ) -> BoundVolume? {
    do {
      return try body()
    } catch {
      switch error {
      // Reported by the check of references, or with the section.
      case .noClaim, .noVolume, .copyMethod: return nil
      default: break
      }
      let text = error.hint.map { "\(error.message). \($0)" } ?? error.message
      let list = error.kind == .usage ? problems : volumeProblems
      list.add(Problem(object.mark, object: object.label, text))
      return nil
    }
  }
}

/// A replication by `rsyncTLS`, with the parts that planning looks at.
struct Candidate<Kind: Replication> {
  let replication: Kind
  let section: RsyncTLSSection
  let object: LoadedObject

  var spec: SyncSpec {
    SyncSpec(trigger: replication.trigger, isPaused: replication.isPaused)
  }
}

extension LoadedObject {
  /// `kind/name`, as messages name objects.
  var label: String { "\(key.kind)/\(key.name)" }
}
