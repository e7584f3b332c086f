package import Manifests
package import Platform
package import StateStore

/// A replication as a service takes it up: what to run or what stands against it, and what is
/// stored of it.
package struct ServedEnd: Sendable {
  package var object: LoadedObject
  /// Another one is another object, though it has the same name.
  package var uid: String
  /// As it was stored last.
  package var status: JSONObject
  /// Nil when it cannot be planned.
  package var end: RunEnd?
  /// What stands against a run; one that is under way is not disturbed.
  package var problem: String?
  /// A run that was asked for beside the trigger.
  package var requestedRun: String?
  /// The request that the run under way serves, as it was stored.
  package var startedRequest: String?
  /// Lets the next run pass the guards; another one is another release.
  package var release: String?
  /// Whether it is a destination that was promoted.
  package var isPromoted = false
  /// Where its generation is kept.
  package var relationFile: RelationFile?

  package init(object: LoadedObject, uid: String, status: JSONObject, end: RunEnd?) {
    self.object = object
    self.uid = uid
    self.status = status
    self.end = end
  }

  package var key: ObjectKey { object.key }
}
