package import Control
package import Manifests
package import Platform

/// A source or a destination as its metrics know it.
package struct Relationship: Sendable {
  package var key: ObjectKey
  /// Another one is another object, though it has the same name.
  package var uid: String
  /// The field of the spec that names the mover.
  package var section: String
  package var status: ReplicationStatus
  package var isPaused = false
  /// By when a run that follows one of the given end must have ended; nil without a schedule.
  package var deadline: @Sendable (WallTime) -> WallTime? = { _ in nil }

  package init(key: ObjectKey, uid: String, section: String, status: ReplicationStatus) {
    self.key = key
    self.uid = uid
    self.section = section
    self.status = status
  }

  /// VolSync's four labels.
  var labels: String {
    MetricsWriter.labels([
      ("obj_name", key.name), ("obj_namespace", key.namespace ?? ""),
      ("role", key.kind == ReplicationSource.kind ? "source" : "destination"),
      ("method", Relationship.method(ofSection: section)),
    ])
  }

  /// VolSync's name of a mover.
  package static func method(ofSection section: String) -> String {
    section == "rsyncTLS" ? "rsync-tls" : section
  }
}
