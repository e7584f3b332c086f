import Control
import Manifests
import Platform
import Volumes

/// Pairs the ends of the section `rsync`, chooses their keys, and makes their jobs.
///
/// A source without `address` sends to the destination of the same files that names the same
/// Secret, to the only one, or to its namesake. One with an address is on its own, unless a
/// destination of the files listens there.
struct RsyncSSHPlanner {
  typealias Source = Candidate<ReplicationSource, RsyncSection>
  typealias Destination = Candidate<ReplicationDestination, RsyncSection>

  private let context: PlanContext
  private let choice: SSHKeyChoice
  private let generation: KeyGeneration
  var sources: [Source] = []
  var destinations: [Destination] = []

  init(_ context: PlanContext, keys generation: KeyGeneration) {
    self.context = context
    self.generation = generation
    choice = SSHKeyChoice(context.set)
  }

  var isEmpty: Bool { sources.isEmpty && destinations.isEmpty }

  func add(to plan: inout RunPlan) {
    var peers: [ObjectKey: Destination] = [:]
    var taken: [ObjectKey: Source] = [:]
    for source in sources {
      guard let destination = match(source) else { continue }
      if let other = taken[destination.key] {
        context.problems.add(
          Problem(
            source.object.mark, object: source.object.label,
            "sends to \(destination.key), and so does \(other.key): a destination takes one source")
        )
        continue
      }
      taken[destination.key] = source
      peers[source.key] = destination
    }
    var fresh: [ObjectKey: SSHKeys] = [:]
    for destination in destinations {
      add(destination, to: &plan, source: taken[destination.key], &fresh)
    }
    for source in sources { add(source, to: &plan, peer: peers[source.key], fresh) }
  }

  // MARK: Pairs

  private func match(_ source: Source) -> Destination? {
    if let address = source.section.address {
      let local: Set<String> = ["127.0.0.1", "::1", "localhost"]
      let port = source.section.port ?? RsyncSSHJob.standardPort
      return destinations.first { destination in
        guard let listen = listenAnnotation(of: destination) else { return local.contains(address) }
        let isHost = listen.host == address || listen.host.isEmpty && local.contains(address)
        return isHost && (listen.port == port || listen.port == 0)
      }
    }
    if destinations.count == 1 { return destinations[0] }
    if let name = source.section.sshKeys?.value {
      let named = destinations.filter { $0.section.sshKeys?.value == name }
      if named.count == 1 { return named[0] }
    }
    let namesakes = destinations.filter {
      $0.replication.metadata.name == source.replication.metadata.name
    }
    if namesakes.count == 1 { return namesakes[0] }
    let reason =
      destinations.isEmpty
      ? "no ReplicationDestination in the given files could be paired with it"
      : "several ReplicationDestinations in the given files could be paired with it"
    context.report(source.object, "spec.rsync.address", "is required: \(reason)")
    return nil
  }

  private func listenAnnotation(of destination: Destination) -> HostPort? {
    guard var listen = destination.replication.metadata[.listen].flatMap(HostPort.init) else {
      return nil
    }
    if ["::", "*"].contains(listen.host) { listen.host = "" }
    return listen
  }

  private func listenAddress(of destination: Destination, source: Source?) -> HostPort {
    if let listen = listenAnnotation(of: destination) { return listen }
    guard let source else {
      return HostPort(host: "", port: destination.section.port ?? RsyncSSHJob.standardPort)
    }
    let port = source.section.port
    guard let host = source.section.address else {
      return HostPort(host: "127.0.0.1", port: port ?? 0)
    }
    return HostPort(host: host, port: port ?? RsyncSSHJob.standardPort)
  }

  // MARK: Jobs

  private func add(
    _ destination: Destination, to plan: inout RunPlan, source: Source?,
    _ fresh: inout [ObjectKey: SSHKeys]
  ) {
    guard let volume = context.volume(of: destination) else { return }
    if let wanted = destination.section.volume.volumeMode, wanted != volume.mode {
      context.report(
        destination.object, "spec.rsync.volumeMode",
        "is \(wanted.rawValue), but \(volume.path) is \(volume.mode.rawValue)")
    }
    let listen = listenAddress(of: destination, source: source)
    let names = SSHKeyChoice.Names("dst", destination.replication.metadata.name)
    var keys = choice.ofDestination(destination.section, destination.replication)
    // Made by an earlier run, which has kept them.
    var isGenerated = keys != nil && destination.section.sshKeys == nil && generation == .always
    let isKnown = source.map { choice.ofSource($0.section, $0.replication) != nil } ?? false
    if keys == nil, destination.section.sshKeys == nil, generation == .always || source != nil,
      !isKnown, let made = generate(destination, names, &plan)
    {
      fresh[destination.key] = made
      keys = SSHKeyChoice.Pair(key: made.destination, peerKey: made.sourcePublic)
      isGenerated = true
    }
    guard let keys else { return reportNoKeys(destination) }
    var job = RsyncSSHJob(
      .receive, root: volume.path, host: listen.host, port: listen.port,
      user: destination.section.sshUser ?? RsyncSSHJob.standardUser, key: keys.key,
      peerKey: keys.peerKey)
    job.allowEmptySource = destination.replication.metadata[.allowEmptySource] == "true"
    var end = context.end(of: destination, .rsync(job))
    if isGenerated {
      end.statusFields["sshKeys"] = .string(names.source)
    }
    end.image = end.publishedClaim
    if destination.spec.isPaused { plan.skipped.append(end) } else { plan.destinations.append(end) }
  }

  private func add(
    _ source: Source, to plan: inout RunPlan, peer: Destination?, _ fresh: [ObjectKey: SSHKeys]
  ) {
    guard let volume = context.volume(of: source) else { return }
    let names = SSHKeyChoice.Names("src", source.replication.metadata.name)
    var keys = choice.ofSource(source.section, source.replication)
    var isGenerated =
      keys != nil && peer == nil && source.section.sshKeys == nil && generation == .always
    if keys == nil, let made = peer.flatMap({ fresh[$0.key] }) {
      keys = SSHKeyChoice.Pair(key: made.source, peerKey: made.destinationPublic)
    } else if keys == nil, peer == nil, source.section.sshKeys == nil, generation == .always,
      let made = generate(source, names, &plan)
    {
      keys = SSHKeyChoice.Pair(key: made.source, peerKey: made.destinationPublic)
      isGenerated = true
    }
    guard let keys else {
      if peer != nil || source.section.address != nil { reportNoKeys(source) }
      return
    }
    var job = RsyncSSHJob(
      .send, root: volume.path, host: source.section.address ?? "",
      port: source.section.port ?? RsyncSSHJob.standardPort,
      user: source.section.sshUser ?? peer?.section.sshUser ?? RsyncSSHJob.standardUser,
      key: keys.key, peerKey: keys.peerKey)
    job.allowEmptySource = source.replication.metadata[.allowEmptySource] == "true"
    job.excludes = RsyncTLSJob.standardExcludes
    var end = context.end(of: source, .rsync(job))
    if isGenerated { end.statusFields["sshKeys"] = .string(names.destination) }
    end.peer = peer?.key
    if source.spec.isPaused || peer?.spec.isPaused == true {
      plan.skipped.append(end)
    } else {
      plan.sources.append(end)
    }
  }

  /// New keys, and VolSync's three Secrets of them.
  private func generate<Kind: Replication>(
    _ end: Candidate<Kind, RsyncSection>, _ names: SSHKeyChoice.Names, _ plan: inout RunPlan
  ) -> SSHKeys? {
    do {
      let keys = try SSHKeyChoice.generate()
      for (name, fields) in [
        (names.main, nil), (names.source, SSHKeys.sourceFields),
        (names.destination, SSHKeys.destinationFields),
      ] {
        let key = ObjectKey(
          kind: Secret.kind, namespace: end.replication.metadata.namespace, name: name)
        plan.generatedSecrets.append(GeneratedSecret(key: key, data: keys.data(fields)))
      }
      return keys
    } catch {
      context.report(end.object, "spec.rsync.sshKeys", "cannot be generated: \(error)")
      return nil
    }
  }

  private func reportNoKeys<Kind: Replication>(_ end: Candidate<Kind, RsyncSection>) {
    // A named Secret that is missing or lacks fields is reported with the references.
    guard end.section.sshKeys == nil else { return }
    let isSource = Kind.self == ReplicationSource.self
    let fields = isSource ? SSHKeys.sourceFields : SSHKeys.destinationFields
    context.report(
      end.object, "spec.rsync.sshKeys",
      "is required here: the other end is not among the given files and could not know generated"
        + " keys; name a Secret with \(fields.joined(separator: ", "))"
        + " (`ssh-keygen -t rsa -b 4096 -N '' -f source` makes source and source.pub)")
  }
}
