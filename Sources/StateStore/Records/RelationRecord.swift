package import Platform

/// What one end knows of the generations of its relationship; see ``RelationFile``.
///
/// A generation only grows: each promotion of a destination begins the next one, and a source of an
/// older one is refused.
package struct RelationRecord: Sendable, Equatable {
  /// Of an end of which nothing is written.
  package static let firstGeneration: Int64 = 1

  /// More promotions than there will be; what a peer says beyond is no generation.
  package static let generationMax: Int64 = 1 << 53

  package var generation = firstGeneration
  /// When a destination was promoted; nil while it receives.
  package var promotedTime: WallTime?
  /// The generation of the destination that has refused this source.
  package var fencedBy: Int64?
  /// What that destination has said.
  package var fencedText: String?
  /// When a session began whose end is not there: the volume holds files of two moments.
  package var openSessionTime: WallTime?

  package init() {}

  /// Whether it is a source that is out of force.
  package var isFenced: Bool { fencedBy.map { $0 > generation } ?? false }
  package var isPromoted: Bool { promotedTime != nil }

  /// Begins the next generation, in which nothing is received.
  package mutating func promote(at time: WallTime) {
    guard !isPromoted else { return }
    let last = max(generation, fencedBy ?? 0)
    generation = min(last, RelationRecord.generationMax - 1) + 1
    promotedTime = time
  }

  package var document: JSONObject {
    var object: JSONObject = ["generation": .integer(generation)]
    if let promotedTime { object["promoted"] = .string(promotedTime.rfc3339) }
    if let fencedBy { object["fencedBy"] = .integer(fencedBy) }
    if let fencedText { object["fencedText"] = .string(fencedText) }
    if let openSessionTime { object["openSession"] = .string(openSessionTime.rfc3339) }
    return object
  }

  /// Nil when it is not what was written.
  package init?(_ document: JSONObject) {
    guard let generation = document["generation"]?.integerValue,
      (1...RelationRecord.generationMax).contains(generation)
    else { return nil }
    self.generation = generation
    promotedTime = document["promoted"]?.stringValue.flatMap(WallTime.init(rfc3339:))
    guard (document["promoted"] == nil) == (promotedTime == nil) else { return nil }
    fencedBy = document["fencedBy"]?.integerValue
    fencedText = document["fencedText"]?.stringValue
    openSessionTime = document["openSession"]?.stringValue.flatMap(WallTime.init(rfc3339:))
  }
}
