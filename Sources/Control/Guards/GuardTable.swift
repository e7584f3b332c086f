package import Manifests
package import Platform

/// The guards with their thresholds: the one table, which `drover explain` and the page of this
/// target show.
package enum GuardTable {
  package struct Row: Sendable {
    package var name: GuardName
    /// When a run is ended.
    package var trips: String
    /// What ends the trip besides a run that passes by itself.
    package var ends: String
  }

  /// At least a thousand and more than half, or at least a hundred and more than nine of ten.
  private static func countLimit(_ percent: Int64) -> ShareLimit {
    ShareLimit([
      ShareLimit.Rule(lostMin: 1000, percentMax: percent),
      ShareLimit.Rule(lostMin: 100, percentMax: max(percent, 90)),
    ])
  }

  package static let lostFiles = countLimit(50)
  package static let deletions = countLimit(50)
  /// A log that is compressed by its rotation loses nine tenths of its bytes.
  package static let lostBytes = ShareLimit([
    ShareLimit.Rule(lostMin: 10 << 30, percentMax: 95)
  ])

  package static let rows = [
    Row(
      name: .emptySource,
      trips: "the source holds nothing, and what was copied before would be deleted or forgotten",
      ends: "drover release; annotation allow-empty-source for ever"),
    Row(
      name: .shrunkenSource,
      trips: "since the last run that counted the source has lost 1000 files or more and over 50 %,"
        + " or 100 files or more and over 90 %, or 10 GiB or more and over 95 % of its bytes",
      ends: "drover release; annotation guard sets the shares"),
    Row(
      name: .massDeletion,
      trips: "1000 entries or more and over 50 % of those at the destination would be deleted, or"
        + " 100 or more and over 90 %",
      ends: "drover release, at either end; annotation guard sets the share"),
    Row(
      name: .nothingToRestore,
      trips: "a restore finds no snapshot or no files, and the volume would be left as it is",
      ends: "there is something to restore"),
    Row(
      name: .imageNotReady,
      trips: "the volume of a source waits for the image that fills it",
      ends: "it is filled"),
  ]

  /// The limits under a setting; nil for what is turned off.
  package static func limits(_ setting: GuardSetting) -> GuardLimits {
    func limit(_ share: GuardSetting.Share, _ standard: ShareLimit) -> ShareLimit? {
      switch share {
      case .standard: standard
      case .off: nil
      case .percent(let percent):
        ShareLimit(
          standard.rules.map { rule in
            ShareLimit.Rule(
              lostMin: rule.lostMin,
              percentMax: rule == standard.rules.first ? percent : max(percent, rule.percentMax))
          })
      }
    }
    return GuardLimits(
      lostFiles: limit(setting.lostFiles, lostFiles),
      lostBytes: limit(setting.lostBytes, lostBytes),
      deletions: limit(setting.deletions, deletions))
  }
}

/// How much may go in one run; nil for as much as there is.
package struct GuardLimits: Sendable, Equatable {
  package var lostFiles: ShareLimit?
  package var lostBytes: ShareLimit?
  package var deletions: ShareLimit?

  package init(lostFiles: ShareLimit?, lostBytes: ShareLimit?, deletions: ShareLimit?) {
    self.lostFiles = lostFiles
    self.lostBytes = lostBytes
    self.deletions = deletions
  }

  /// The guard of a source, of which nothing is known yet.
  package var sourceGuard: SourceGuard? {
    guard lostFiles != nil || lostBytes != nil else { return nil }
    let none = ShareLimit([])
    return SourceGuard(last: nil, files: lostFiles ?? none, bytes: lostBytes ?? none)
  }
}
