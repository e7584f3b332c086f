import Control
import Manifests
import Observation

extension ServedEnd {
  /// What the metrics have to know of it; nil for what no mover serves.
  var relationship: Relationship? {
    guard let spec = object.manifest as? any Replication, let mover = spec.mover else { return nil }
    var relationship = Relationship(
      key: key, uid: uid, section: mover.name,
      status: ReplicationStatus(document: status, section: nil))
    relationship.isPaused = spec.isPaused
    if let machine = end?.machine { relationship.deadline = { machine.deadline(after: $0) } }
    return relationship
  }
}
