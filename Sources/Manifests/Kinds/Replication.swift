package import Triggers

/// When a replication runs.
package struct TriggerSpec: Sendable, Equatable {
  package var schedule: CronSchedule?
  /// Wins over `schedule` when both are set.
  package var manual: String?

  package init(schedule: CronSchedule? = nil, manual: String? = nil) {
    self.schedule = schedule
    self.manual = manual
  }

  fileprivate init(_ fields: FieldReader?) {
    self.init()
    guard let fields else { return }
    manual = fields.string("manual").flatMap { $0.isEmpty ? nil : $0 }
    schedule = fields.schedule("schedule")
    fields.finish()
  }
}

/// What source and destination of a replication have in common.
package protocol Replication: Manifest {
  var trigger: TriggerSpec { get }
  var isPaused: Bool { get }
  var mover: MoverSection? { get }
  static var role: Role { get }
}

private let volSyncVersion = "volsync.backube/v1alpha1"

/// The sending end: which volume, when, by which mover.
package struct ReplicationSource: Replication {
  package static let kind = "ReplicationSource"
  package static let aliases = ["replicationsources", "rs"]
  package static let apiVersion = volSyncVersion
  package static let role = Role.source

  package let metadata: ObjectMetadata
  /// A claim of the same namespace, or an absolute path of this host.
  package let sourcePVC: Marked<String>?
  package let trigger: TriggerSpec
  package let isPaused: Bool
  package let mover: MoverSection?

  package init(metadata: ObjectMetadata, fields: FieldReader) {
    self.metadata = metadata
    let spec = fields.requiredObject("spec")
    sourcePVC = spec.marked("sourcePVC")
    trigger = TriggerSpec(spec.object("trigger"))
    isPaused = spec.bool("paused") ?? false
    mover = MoverSection.decode(spec, role: .source)
    if case .external? = mover {
    } else if sourcePVC?.value.isEmpty ?? !spec.has("sourcePVC") {
      spec.report(
        "sourcePVC", "is required: the claim, or the absolute path, of the volume to read")
    }
    spec.finish()
  }
}

/// The receiving end: which volume, and what is kept after a run.
package struct ReplicationDestination: Replication {
  package static let kind = "ReplicationDestination"
  package static let aliases = ["replicationdestinations", "rd"]
  package static let apiVersion = volSyncVersion
  package static let role = Role.destination

  package let metadata: ObjectMetadata
  package let trigger: TriggerSpec
  package let isPaused: Bool
  package let mover: MoverSection?

  package init(metadata: ObjectMetadata, fields: FieldReader) {
    self.metadata = metadata
    let spec = fields.requiredObject("spec")
    trigger = TriggerSpec(spec.object("trigger"))
    isPaused = spec.bool("paused") ?? false
    mover = MoverSection.decode(spec, role: .destination)
    spec.finish()
  }
}

extension FieldReader {
  /// A mapping that must be there; an empty one stands in for it after the report.
  func requiredObject(_ name: String) -> FieldReader {
    if let object = object(name) { return object }
    report(name, "is required")
    return FieldReader(
      YAMLNode(.mapping([]), mark: node.mark), path: pathOf(name), object: object,
      problems: ProblemList())
  }
}
