import Manifests
import Platform
import StateStore

/// What the generations say of an end: whether it may run.
package struct Standing: Sendable, Equatable {
  /// What stands against a run, in words for its status; nil for nothing.
  var problem: String?
  /// Of a source that is out of force: what its destination has said.
  var fenced: String?
  /// Of a destination that was promoted: of which generation, since when.
  var promoted: (generation: Int64, time: WallTime)?
  var generation = RelationRecord.firstGeneration

  package static let free = Standing()

  init() {}

  init(_ record: RelationRecord) {
    generation = record.generation
    promoted = record.promotedTime.map { (record.generation, $0) }
    if record.isFenced { fenced = record.fencedText ?? "this source is fenced" }
    problem = fenced
  }

  /// A record that cannot be read stops the end.
  init(_ error: StateError) { problem = error.description }

  package static func == (a: Standing, b: Standing) -> Bool {
    a.problem == b.problem && a.generation == b.generation
      && a.promoted?.generation == b.promoted?.generation
  }
}
