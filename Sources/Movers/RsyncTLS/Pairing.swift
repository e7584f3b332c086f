import Manifests
import Platform

/// Which source of the files sends to which destination of the files.
///
/// A source without address pairs with the destination whose key it names, with the only one, or
/// with that of its own name. A source with an address pairs with the destination that listens
/// there.
struct Pairing {
  private typealias Source = Candidate<ReplicationSource, RsyncTLSSection>
  typealias Destination = Candidate<ReplicationDestination, RsyncTLSSection>

  private var destinations: [ObjectKey: Destination] = [:]
  private var sources: [ObjectKey: Candidate<ReplicationSource, RsyncTLSSection>] = [:]

  init(
    sources: [Candidate<ReplicationSource, RsyncTLSSection>], destinations: [Destination],
    problems: ProblemList
  ) {
    for source in sources {
      guard
        let destination = Pairing.match(source, destinations, problems: problems)
      else { continue }
      let key = destination.replication.key
      if let other = self.sources[key] {
        problems.add(
          Problem(
            source.object.mark, object: source.object.label,
            "sends to \(key), and so does \(other.replication.key): a destination takes one source")
        )
        continue
      }
      self.sources[key] = source
      self.destinations[source.replication.key] = destination
    }
  }

  /// The destination of the files that a source sends to.
  func destination(of source: ObjectKey) -> Destination? { destinations[source] }

  /// The source of the files that sends to a destination.
  func source(of destination: ObjectKey) -> Candidate<ReplicationSource, RsyncTLSSection>? {
    sources[destination]
  }

  /// Where a destination listens: as its annotation says; where its source looks for it; VolSync's
  /// port on all addresses when the source is not among the files.
  func listenAddress(of destination: Destination) -> HostPort {
    if let listen = destination.listenAnnotation { return listen }
    guard let source = source(of: destination.replication.key) else {
      return HostPort(host: "", port: RunPlanner.standardPort)
    }
    let port = source.section.port
    guard let host = source.section.address?.value else {
      return HostPort(host: "127.0.0.1", port: port ?? 0)
    }
    return HostPort(host: host, port: port ?? RunPlanner.standardPort)
  }

  private static func match(
    _ source: Source, _ destinations: [Destination], problems: ProblemList
  ) -> Destination? {
    if let address = source.section.address?.value {
      let port = source.section.port ?? RunPlanner.standardPort
      return destinations.first { $0.isPublished(at: HostPort(host: address, port: port)) }
    }
    if let found = matchWithoutAddress(source, destinations) { return found }
    let reason =
      destinations.isEmpty
      ? "no ReplicationDestination in the given files could be paired with it"
      : "several ReplicationDestinations in the given files could be paired with it"
    problems.add(
      Problem(
        source.object.mark, object: source.object.label, path: "spec.rsyncTLS.address",
        "is required: \(reason)"))
    return nil
  }

  private static func matchWithoutAddress(
    _ source: Source, _ destinations: [Destination]
  ) -> Destination? {
    if destinations.count == 1 { return destinations[0] }
    if let name = source.section.keySecret?.value {
      let named = destinations.filter { $0.keySecretName == name }
      if named.count == 1 { return named[0] }
    }
    let namesakes = destinations.filter {
      $0.replication.metadata.name == source.replication.metadata.name
    }
    if namesakes.count == 1 { return namesakes[0] }
    return namesakes.first {
      $0.replication.metadata.namespace == source.replication.metadata.namespace
    }
  }
}

extension Candidate<ReplicationDestination, RsyncTLSSection> {
  /// The Secret of the key, whether it is named or will be generated.
  fileprivate var keySecretName: String {
    section.keySecret?.value ?? ReferenceCheck.generatedKeyName(for: replication.metadata.name)
  }

  /// The annotation's address; all addresses are the empty host.
  fileprivate var listenAnnotation: HostPort? {
    guard var listen = replication.metadata[.listen].flatMap(HostPort.init) else { return nil }
    if ["::", "*", "0.0.0.0"].contains(listen.host) {
      // 0.0.0.0 stays IPv4 only.
      listen.host = listen.host == "0.0.0.0" ? listen.host : ""
    }
    return listen
  }

  /// Whether a source on this host that connects to `address` reaches this destination.
  fileprivate func isPublished(at address: HostPort) -> Bool {
    let local: Set<String> = ["127.0.0.1", "::1", "localhost"]
    guard let listen = listenAnnotation else {
      // Without an annotation it listens where the source looks for it, on this host.
      return local.contains(address.host)
    }
    let takesAll = listen.host.isEmpty || listen.host == "0.0.0.0"
    let isSameHost =
      listen.host == address.host
      || local.contains(address.host) && (takesAll || local.contains(listen.host))
    return isSameHost && (listen.port == address.port || listen.port == 0)
  }
}
