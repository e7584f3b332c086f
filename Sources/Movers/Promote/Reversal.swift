import Control
package import Manifests
import Platform
package import StateStore

/// Turns the two ends of a relationship round after a promotion: what to change here, and what the
/// other side needs. A pure function of the objects and of what is known of their generations.
package struct Reversal: Sendable {
  package struct Options: Sendable {
    /// Where the old source's side listens from now on, when it is not here.
    package var address: HostPort?
    /// The volume at the old source's side, for the text that is printed for it.
    package var otherVolume: String?
    /// When the way back runs; once, and by hand after that, when nothing is said.
    package var schedule: String?
    /// Undo the promotion instead: the old source is the truth again.
    package var discards = false
    /// Where a destination that is made here listens.
    package var listen: HostPort?

    package init() {}
  }

  package var steps: [ExchangeStep] = []
  /// Lines for people.
  package var lines: [String] = []
  /// Objects for the other side, when it is elsewhere.
  package var otherSide: String?

  private init() {}

  /// Which object of a name is meant: the destination when both are there.
  package static func key(named name: ObjectKey, in set: ManifestSet) -> ObjectKey? {
    [ReplicationDestination.kind, ReplicationSource.kind]
      .map { ObjectKey(kind: $0, namespace: name.namespace, name: name.name) }
      .first { set.object($0) != nil }
  }

  package static func make(
    of key: ObjectKey, in set: ManifestSet, served: [String], options: Options,
    relation: (ObjectKey) throws -> RelationRecord
  ) throws -> Reversal {
    let (plan, problems) = RunPlanner(set, served: served, keys: .always).planEach()
    guard let own = plan.ends.first(where: { $0.key == key }), own.job.rsyncTLS != nil else {
      let text = problems[key]?.map(\.description).joined(separator: "\n")
      throw StateError.refused(
        "\(key) cannot be turned round: \(text ?? "only rsyncTLS has two ends")", hint: nil)
    }
    let pair = Pair(own, plan)
    var reversal = Reversal()
    if options.discards {
      try reversal.discard(pair, relation)
    } else if let destination = pair.destination, let source = pair.source {
      try reversal.swap(source, destination, try relation(destination.key))
    } else if let destination = pair.destination {
      let record = try relation(destination.key)
      try requirePromoted(destination.key, record)
      try reversal.send(from: destination, record, set, options)
    } else {
      let record = try relation(key)
      guard record.isFenced else {
        throw StateError.refused(
          "\(key) is not fenced: its destination has not been promoted, or has not told so yet",
          hint: "Promote the destination on its side: drover promote NAME.")
      }
      try reversal.receive(into: own, record, set, options)
    }
    return reversal
  }

  private static func requirePromoted(_ key: ObjectKey, _ record: RelationRecord) throws {
    guard !record.isPromoted else { return }
    throw StateError.refused(
      "\(key) is not promoted: its volume would be overwritten and sent at once",
      hint: "Promote it first: drover promote \(key.name).")
  }

  // MARK: Both ends here

  private mutating func swap(
    _ source: RunEnd, _ destination: RunEnd, _ record: RelationRecord
  ) throws {
    try Reversal.requirePromoted(destination.key, record)
    let isNear = source.key.namespace == destination.key.namespace
    let (from, to) = (source.volumeName(isNear), destination.volumeName(isNear))
    var settled = RelationRecord()
    settled.generation = record.generation
    let tag = "reverse-\(record.generation)"
    let section = ["spec", RsyncTLSJob.section]
    // The destination is promoted until its last step, so that nobody writes meanwhile.
    steps = [
      .edit(source.key, path: ["spec", "sourcePVC"], value: to),
      .relation(source.key, settled),
      .edit(destination.key, path: section + ["destinationPVC"], value: from),
      .relation(destination.key, settled),
      .request(destination.key, tag: tag), .request(source.key, tag: tag),
    ]
    lines = [
      "\(source.key) reads \(to) from now on", "\(destination.key) receives into \(from)",
      "generation \(record.generation); a run is asked for, which carries what has changed",
    ]
  }

  // MARK: Undone

  /// The direction of before goes on, in the generation that the promotion has begun.
  private mutating func discard(
    _ pair: Pair, _ relation: (ObjectKey) throws -> RelationRecord
  ) throws {
    var generation: Int64?
    if let destination = pair.destination {
      let record = try relation(destination.key)
      guard record.isPromoted else {
        throw StateError.refused("\(destination.key) is not promoted", hint: nil)
      }
      generation = record.generation
      lines.append(
        "\(destination.key) receives again: what was written to \(destination.volumeName(true)) "
          + "since its promotion is lost")
    }
    if let source = pair.source {
      let record = try relation(source.key)
      guard let next = generation ?? (record.isFenced ? record.fencedBy : nil) else {
        throw StateError.refused("\(source.key) is not fenced", hint: nil)
      }
      generation = next
      lines.append("\(source.key) sends again")
      activate(source.key, next)
    }
    if let destination = pair.destination, let generation {
      activate(destination.key, generation)
    }
  }

  // MARK: One end here

  /// The promoted volume's side: it sends.
  private mutating func send(
    from end: RunEnd, _ record: RelationRecord, _ set: ManifestSet, _ options: Options
  ) throws {
    let key = ObjectKey(
      kind: ReplicationSource.kind, namespace: end.key.namespace, name: end.key.name)
    let secret = end.keySecretName
    if let standing = set.object(key) {
      try requireVolume(standing, end)
    } else {
      guard let address = options.address else {
        throw StateError.refused(
          "the old source of \(end.key) is not in this state directory: say where its side listens",
          hint: "drover reverse \(end.key.name) --address HOST:PORT")
      }
      var trigger: JSONObject = ["manual": .string("reverse-\(record.generation)")]
      if let schedule = options.schedule { trigger = ["schedule": .string(schedule)] }
      let section: JSONObject = [
        "keySecret": .string(secret), "address": .string(address.host),
        "port": .integer(Int64(address.port)), "copyMethod": .string(end.copyMethod),
      ]
      steps.append(
        .put(
          key,
          text: Reversal.text(
            key,
            [
              "sourcePVC": .string(end.volumeName(true)), "trigger": .object(trigger),
              RsyncTLSJob.section: .object(section),
            ])))
    }
    activate(key, record.generation)
    lines = ["\(key) sends \(end.volumeName(true)), generation \(record.generation)"]
    let other = ObjectKey(
      kind: ReplicationDestination.kind, namespace: end.key.namespace, name: end.key.name)
    let port = options.address?.port ?? RunPlanner.standardPort
    otherSide = Reversal.text(
      other,
      [
        RsyncTLSJob.section: .object([
          "keySecret": .string(secret), "copyMethod": .string("Direct"),
          "destinationPVC": .string(options.otherVolume ?? "/VOLUME/OF/THE/OLD/SOURCE"),
        ])
      ], listen: HostPort(host: "::", port: port))
  }

  /// The fenced source's side: it receives.
  private mutating func receive(
    into end: RunEnd, _ record: RelationRecord, _ set: ManifestSet, _ options: Options
  ) throws {
    let key = ObjectKey(
      kind: ReplicationDestination.kind, namespace: end.key.namespace, name: end.key.name)
    if let standing = set.object(key) {
      try requireVolume(standing, end)
    } else {
      steps.append(
        .put(
          key,
          text: Reversal.text(
            key,
            [
              RsyncTLSJob.section: .object([
                "keySecret": .string(end.keySecretName), "copyMethod": .string("Direct"),
                "destinationPVC": .string(end.volumeName(true)),
              ])
            ], listen: options.listen)))
    }
    activate(key, record.fencedBy ?? record.generation)
    lines = [
      "\(key) receives into \(end.volumeName(true)), generation \(record.fencedBy ?? 0)",
      "its volume is made equal to the promoted one: what this side alone has is lost",
    ]
  }

  private mutating func activate(_ key: ObjectKey, _ generation: Int64) {
    var settled = RelationRecord()
    settled.generation = generation
    steps += [.relation(key, settled), .request(key, tag: "reverse-\(generation)")]
  }

  /// An object that is there already, of an earlier reversal, must be of the same volume.
  private func requireVolume(_ object: LoadedObject, _ end: RunEnd) throws {
    let name: String? =
      switch object.manifest {
      case let source as ReplicationSource: source.sourcePVC?.value
      case let other as ReplicationDestination: other.mover?.volume?.destinationPVC?.value
      default: nil
      }
    guard name == end.volumeName(true) else {
      throw StateError.refused(
        "\(object.key) is there already, of another volume (\(name ?? "none"))",
        hint: "Delete it, or turn its relationship round by hand.")
    }
  }

  private static func text(
    _ key: ObjectKey, _ spec: JSONObject, listen: HostPort? = nil
  ) -> String {
    var metadata: JSONObject = ["name": .string(key.name)]
    if let namespace = key.namespace { metadata["namespace"] = .string(namespace) }
    if let listen {
      metadata["annotations"] = .object([Annotation.listen.name: .string("\(listen)")])
    }
    let object: JSONObject = [
      "apiVersion": .string(ReplicationSource.apiVersion), "kind": .string(key.kind),
      "metadata": .object(metadata), "spec": .object(spec),
    ]
    return JSONValue.object(object).yamlText
  }
}

/// The ends of a relationship that are here.
private struct Pair: Sendable {
  var source: RunEnd?
  var destination: RunEnd?

  init(_ own: RunEnd, _ plan: RunPlan) {
    if own.job.listens {
      destination = own
      source = plan.ends.first { $0.peer == own.key }
    } else {
      source = own
      destination = own.peer.flatMap { peer in plan.ends.first { $0.key == peer } }
    }
  }
}

extension RunEnd {
  /// How another object names its volume: as it does, or by the path when it is not `isNear`.
  fileprivate func volumeName(_ isNear: Bool) -> String {
    let written: String? =
      switch object.manifest {
      case let source as ReplicationSource: source.sourcePVC?.value
      case let other as ReplicationDestination: other.mover?.volume?.destinationPVC?.value
      default: nil
      }
    let path = job.rsyncTLS?.root ?? ""
    guard let written, isNear || written.hasPrefix("/") else { return path }
    return written
  }

  fileprivate var copyMethod: String {
    (object.manifest as? any Replication)?.mover?.volume?.copyMethod?.value.rawValue ?? "Direct"
  }

  /// The Secret with its key, named or made.
  fileprivate var keySecretName: String {
    if case .rsyncTLS(let section)? = (object.manifest as? any Replication)?.mover,
      let name = section.keySecret?.value
    {
      return name
    }
    return statusFields["keySecret"]?.stringValue
      ?? ReferenceCheck.generatedKeyName(for: object.key.name)
  }
}
