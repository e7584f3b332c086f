import Control
import Manifests
import Platform
import Volumes

/// Pairs the ends of the section `rsyncTLS`, chooses their keys, and makes their jobs.
struct RsyncTLSPlanner {
  private let context: PlanContext
  private let keys: KeyGeneration
  var sources: [Candidate<ReplicationSource, RsyncTLSSection>] = []
  var destinations: [Candidate<ReplicationDestination, RsyncTLSSection>] = []

  init(_ context: PlanContext, keys: KeyGeneration) {
    self.context = context
    self.keys = keys
  }

  var isEmpty: Bool { sources.isEmpty && destinations.isEmpty }

  func add(to plan: inout RunPlan) {
    let pairing = Pairing(
      sources: sources, destinations: destinations, problems: context.problems)
    let keys = KeyChoice(context.set, pairing, keys, problems: context.problems)
    plan.generatedSecrets += keys.generatedSecrets
    for destination in destinations { add(destination, to: &plan, pairing, keys) }
    for source in sources { add(source, to: &plan, pairing, keys) }
  }

  private func add(
    _ destination: Candidate<ReplicationDestination, RsyncTLSSection>, to plan: inout RunPlan,
    _ pairing: Pairing, _ keys: KeyChoice
  ) {
    guard let volume = context.volume(of: destination) else { return }
    if let wanted = destination.section.volume.volumeMode, wanted != volume.mode {
      context.report(
        destination.object, "spec.rsyncTLS.volumeMode",
        "is \(wanted.rawValue), but \(volume.path) is \(volume.mode.rawValue)")
    }
    let listen = pairing.listenAddress(of: destination)
    var job = RsyncTLSJob(
      .receive, root: volume.path, host: listen.host, port: listen.port,
      key: keys.key(of: destination.key))
    job.allowEmptySource = destination.replication.metadata[.allowEmptySource] == "true"
    job.excludes = RsyncTLSJob.standardExcludes
    var end = context.end(of: destination, .rsyncTLS(job))
    if let name = keys.generatedName(of: destination.key) {
      end.statusFields["keySecret"] = .string(name)
    }
    end.image = end.publishedClaim
    if destination.spec.isPaused { plan.skipped.append(end) } else { plan.destinations.append(end) }
  }

  private func add(
    _ source: Candidate<ReplicationSource, RsyncTLSSection>, to plan: inout RunPlan,
    _ pairing: Pairing, _ keys: KeyChoice
  ) {
    guard let volume = context.volume(of: source) else { return }
    let peer = pairing.destination(of: source.key)
    var job = RsyncTLSJob(
      .send, root: volume.path, host: source.section.address?.value ?? "",
      port: source.section.port ?? RunPlanner.standardPort, key: keys.key(of: source.key))
    job.allowEmptySource = source.replication.metadata[.allowEmptySource] == "true"
    job.excludes = RsyncTLSJob.standardExcludes
    var end = context.end(of: source, .rsyncTLS(job))
    end.peer = peer?.key
    if source.spec.isPaused || peer?.spec.isPaused == true {
      plan.skipped.append(end)
    } else {
      plan.sources.append(end)
    }
  }
}
