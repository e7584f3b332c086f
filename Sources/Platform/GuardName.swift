/// The guards: what ends a run before it could destroy data. Their thresholds stand in `GuardTable`
/// of Control and on its page.
package enum GuardName: String, Sendable, CaseIterable {
  /// The source is empty, the other side is not.
  case emptySource = "empty-source"
  /// The source has lost more than a stated share since the last run that counted.
  case shrunkenSource = "shrunken-source"
  /// More than a stated share of the destination would be deleted.
  case massDeletion = "mass-deletion"
  /// A restore finds nothing.
  case nothingToRestore = "nothing-to-restore"
  /// A volume would be read before the image that fills it is there.
  case imageNotReady = "image-not-ready"

  /// Whether a person can let a run pass it; what is not there cannot be let pass.
  package var isReleasable: Bool {
    switch self {
    case .emptySource, .shrunkenSource, .massDeletion: true
    case .nothingToRestore, .imageNotReady: false
    }
  }

  /// What a message begins with that crosses the wire to the other side.
  package var prefix: String { "guard \(rawValue): " }

  /// The guard that a message of the other side names.
  package static func named(in message: String) -> GuardName? {
    allCases.first { message.hasPrefix($0.prefix) }
  }
}
