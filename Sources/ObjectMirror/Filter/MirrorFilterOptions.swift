package import Platform
package import Remotes

/// The filter options of a command line, each list in the order in which it was given.
///
/// Across the lists the order is fixed, as it is for rclone: include, include-from, exclude,
/// exclude-from, filter, filter-from.
package struct MirrorFilterOptions: Sendable {
  package var include: [String] = []
  /// Files with one pattern a line; `-` is standard input.
  package var includeFrom: [String] = []
  package var exclude: [String] = []
  package var excludeFrom: [String] = []
  /// `+ pattern`, `- pattern`, or `!`, which forgets all rules so far.
  package var filter: [String] = []
  package var filterFrom: [String] = []
  /// Files with one path a line; blanks at the ends, empty lines and comments do not count.
  package var filesFrom: [String] = []
  /// Files with one path a line, as it stands.
  package var filesFromRaw: [String] = []
  /// Names of files that keep a directory, with all in it, out.
  package var excludeIfPresent: [String] = []
  package var minSize = SizeSuffix.off
  package var maxSize = SizeSuffix.off
  package var minAge = AgeText.off
  package var maxAge = AgeText.off
  package var ignoresCase = false

  package init() {}
}

/// What a filter knows of a file.
package struct FilteredFile: Sendable {
  package var sizeBytes: Int64
  package var modified: WallTime

  package init(sizeBytes: Int64, modified: WallTime) {
    self.sizeBytes = sizeBytes
    self.modified = modified
  }
}
