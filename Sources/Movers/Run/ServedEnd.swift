package import Manifests
package import Platform
package import StateStore

/// A replication as a service takes it up: what to run or what stands against it, and what is
/// stored of it.
package struct ServedEnd: Sendable, Equatable {
  package var object: LoadedObject
  /// Another one is another object, though it has the same name.
  package var uid: String
  /// As it was stored last.
  package var status: JSONObject
  /// Nil when it cannot be planned.
  package var end: RunEnd?
  /// What stands against a run; one that is under way is not disturbed.
  package var problem: String?
  /// The guard by which it stands against a run; nil for what is wrong.
  package var problemGuard: GuardName?
  /// A run that was asked for beside the trigger.
  package var requestedRun: String?
  /// The request that the run under way serves, as it was stored.
  package var startedRequest: String?
  /// Lets the next run pass the guards; another one is another release.
  package var release: String?
  /// Where its generation is kept, and what stands there; nil for what cannot be read.
  package var relationFile: RelationFile?
  package var relation: RelationRecord?

  package init(object: LoadedObject, uid: String, status: JSONObject, end: RunEnd?) {
    self.object = object
    self.uid = uid
    self.status = status
    self.end = end
  }

  package var key: ObjectKey { object.key }

  /// Whether it is a destination that was promoted.
  package var isPromoted: Bool { relation?.isPromoted ?? false }

  /// Whether an end that is this one has nothing new to do as another: what runs have left of it
  /// counts for nothing.
  package func isSameOrder(as other: ServedEnd) -> Bool {
    uid == other.uid && asOrder == other.asOrder
  }

  private var asOrder: ServedEnd {
    var order = self
    order.object = object.withoutStatus
    order.status = JSONObject()
    order.startedRequest = nil
    order.end?.object = order.object
    order.end?.statusFields = JSONObject()
    order.end?.copyFields = JSONObject()
    return order
  }
}
