package import Control
package import Manifests
package import Platform
package import Triggers

/// What a run of given files will do: a value that is complete before anything starts.
package struct RunPlan: Sendable {
  package var destinations: [RunEnd] = []
  package var sources: [RunEnd] = []
  /// Replications that do not run: paused ones, and sources whose destination is paused.
  package var skipped: [RunEnd] = []
  /// Secrets that destinations without one need, made by this plan.
  package var generatedSecrets: [GeneratedSecret] = []
  /// Replications that are not planned because a guard holds them up.
  var held: [ObjectKey: GuardName] = [:]
  /// Objects with a status, in the order of the files.
  package var order: [ObjectKey] = []

  /// Whether one run of each end is all that is asked for: no schedule, and none without a trigger,
  /// which goes on for ever.
  package var isDoneAfterOneRun: Bool {
    (destinations + sources).allSatisfy { $0.spec.trigger.manual != nil }
  }

  /// All ends, paused ones too.
  var ends: [RunEnd] { destinations + sources + skipped }

  /// The objects in the order of the files, each with its status.
  func objects(status: (RunEnd) -> JSONObject) -> [JSONValue] {
    let ends = Dictionary(uniqueKeysWithValues: ends.map { ($0.key, $0) })
    return order.compactMap { key in
      ends[key].map { $0.object.document(status: status($0)) }
    }
  }
}

/// One end of one replication, ready to run.
package struct RunEnd: Sendable, Equatable {
  package var object: LoadedObject
  package var spec: SyncSpec
  package var job: RunJob
  /// The zone of its schedule.
  package var zone: TimeZone
  /// Of an end whose job depends on earlier runs.
  var upkeep: JobUpkeep?
  /// Fields of the status below the mover's section that are known before the run.
  package var statusFields = JSONObject()
  /// What a destination publishes after a run that counts.
  package var image: ImageReference?
  /// The volume, and how a run gets at it.
  package var volume: EndVolume?
  /// How the last copy was made, below `status.drover.copy`.
  var copyFields = JSONObject()
  /// The destination of the same plan that a source sends to.
  package var peer: ObjectKey?
  /// Ends of the same plan that this one waits for; it does not run when one of them fails.
  package var predecessors: [ObjectKey] = []

  package init(object: LoadedObject, spec: SyncSpec, job: RunJob, zone: TimeZone) {
    self.object = object
    self.spec = spec
    self.job = job
    self.zone = zone
  }

  package var key: ObjectKey { object.key }

  /// Below the mover's section of a source's status: what a run waits for.
  static let waitingForField = "waitingFor"
  /// Below it too: that the end is fenced or promoted, and its generation.
  static let fencedField = "fenced"
  static let promotedField = "promoted"
  static let generationField = "generation"

  /// The trigger machine of this end.
  var machine: StateMachine {
    let (schedule, zone) = (spec.trigger.schedule, zone)
    return StateMachine(spec) { schedule?.next(after: $0, in: zone) }
  }

  /// The job of a run that starts now.
  package func job(at now: WallTime) -> RunJob { upkeep?.job(job, statusFields, at: now) ?? job }

  /// What the files say of earlier runs.
  var storedStatus: JSONObject { object.document["status"]?.objectValue ?? JSONObject() }

  /// The status of an end that does not run: what the files say, but nothing under way.
  func skippedStatus(at now: WallTime) -> JSONObject {
    var status = ReplicationStatus(document: storedStatus, section: nil)
    status.lastSyncStartTime = nil
    if spec.isPaused {
      let report = SyncState(status) == .initial ? MoverReport.nothing : .cleanedUp
      status = machine.step(status, report, at: now).status
    }
    return document(of: status, address: nil)
  }

  /// Takes over what an attempt has changed of the status.
  package mutating func set(_ fields: JSONObject) {
    for field in fields.members { statusFields[field.name] = field.value }
  }

  /// Takes over what a run that counts has changed of the status.
  mutating func take(_ completion: MoverCompletion) {
    set(completion.statusFields)
    if let fields = completion.copyFields { copyFields = fields }
  }

  /// Takes over from the same end under an older spec what runs have changed of the status.
  mutating func carry(from old: RunEnd) {
    set(upkeep?.carried(old.statusFields) ?? old.statusFields)
    copyFields = old.copyFields
  }

  /// What is published after a run that counts.
  func image(after completion: MoverCompletion) -> ImageReference? { completion.image ?? image }

  /// The status as it is printed; `address` is where the end listens.
  func document(of status: ReplicationStatus, address: HostPort?) -> JSONObject {
    var status = status
    var fields = JSONObject()
    if job.listens, let address {
      fields["address"] = .string(address.host)
      fields["port"] = .integer(Int64(address.port))
    }
    for field in statusFields.members { fields[field.name] = field.value }
    status.moverFields = (job.section, fields)
    var document = status.document
    if !copyFields.members.isEmpty {
      var own = document[FailedRuns.section]?.objectValue ?? JSONObject()
      own[EndVolume.copyField] = .object(copyFields)
      document[FailedRuns.section] = .object(own)
    }
    return document
  }
}

/// Why nothing was started.
package enum RunError: DroverError {
  /// The files ask for something that is wrong or not served.
  case invalid([Problem])
  /// The files are right; volumes of this host are not.
  case volumes([Problem])

  package var kind: FailureKind {
    switch self {
    case .invalid: .usage
    case .volumes: .notFound
    }
  }

  package var problems: [Problem] {
    switch self {
    case .invalid(let problems), .volumes(let problems): problems
    }
  }

  package var message: String { problems.map(\.description).joined(separator: "\n") }
}
