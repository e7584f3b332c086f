package import Platform
import Remotes

/// Which files and directories take part in a mirror, by rclone's rules: the first rule that
/// matches decides, and what no rule matches takes part.
///
/// Paths are relative to the root, bytes without leading or trailing slash. A walk asks from the
/// root downwards and does not enter a directory that is left out; the root is never asked.
/// Asking allocates nothing, and any thread may ask.
///
/// Source: rclone's manual, "Filtering"; the regular expressions in `{{…}}` are those that
/// ``PatternParser`` names.
package struct MirrorFilter: Sendable {
  /// Most rules. rclone has no limit.
  package static let ruleCountMax = 65_536

  struct Rule: Sendable {
    let includes: Bool
    let automaton: GlobAutomaton
  }

  struct FileList: Sendable {
    var files = PathSet()
    var directories = PathSet()
  }

  var fileRules: [Rule] = []
  var directoryRules: [Rule] = []
  var list: FileList?
  private(set) var markers = PathSet()
  /// Names of the files that keep their directories out.
  let markerNames: [String]
  private(set) var minSizeBytes: Int64?
  private(set) var maxSizeBytes: Int64?
  private(set) var modifiedAtOrAfter: WallTime?
  private(set) var modifiedAtOrBefore: WallTime?
  let ignoresCase: Bool

  /// Reads options, and the files that they name. Blocks.
  ///
  /// Ages are counted back from `now`.
  /// - Throws: any case of ``MirrorFilterError``.
  package init(_ options: MirrorFilterOptions, now: WallTime) throws(MirrorFilterError) {
    ignoresCase = options.ignoresCase
    minSizeBytes = options.minSize.byteCount
    maxSizeBytes = options.maxSize.byteCount
    modifiedAtOrBefore = options.minAge.time(before: now)
    modifiedAtOrAfter = options.maxAge.time(before: now)
    if let latest = modifiedAtOrBefore, let earliest = modifiedAtOrAfter, latest < earliest {
      throw .emptySpan
    }
    markerNames = options.excludeIfPresent
    for name in options.excludeIfPresent {
      Array(name.utf8).withUnsafeBufferPointer { _ = markers.insert($0) }
    }
    try readRules(options)
    try readLists(options)
  }

  /// Whether anything may be left out.
  package var isActive: Bool {
    list != nil || !fileRules.isEmpty || !directoryRules.isEmpty || markers.count > 0
      || minSizeBytes != nil || maxSizeBytes != nil || modifiedAtOrAfter != nil
      || modifiedAtOrBefore != nil
  }

  /// Whether times of files decide.
  package var hasAges: Bool { modifiedAtOrAfter != nil || modifiedAtOrBefore != nil }

  /// Whether sizes of files decide.
  package var hasSizes: Bool { minSizeBytes != nil || maxSizeBytes != nil }

  /// Whether directories have to be looked at for files that keep them out.
  package var hasMarkers: Bool { markers.count > 0 }

  /// Whether a file of this name keeps its directory out, the root too.
  package func isMarker(_ name: UnsafeBufferPointer<UInt8>) -> Bool { markers.contains(name) }

  /// Whether a file takes part.
  package func includes(
    file path: UnsafeBufferPointer<UInt8>, _ file: FilteredFile
  ) -> Bool {
    if let list { return list.files.contains(path) }
    if let modifiedAtOrAfter, file.modified < modifiedAtOrAfter { return false }
    if let modifiedAtOrBefore, file.modified > modifiedAtOrBefore { return false }
    if let minSizeBytes, file.sizeBytes < minSizeBytes { return false }
    if let maxSizeBytes, file.sizeBytes > maxSizeBytes { return false }
    return decide(path, isDirectory: false, fileRules)
  }

  /// Whether a file takes part, with a time that is asked for only when it decides.
  func includes(
    file path: UnsafeBufferPointer<UInt8>, sizeBytes: Int64, modified: () -> WallTime?
  ) -> Bool {
    guard hasAges, list == nil else {
      let file = FilteredFile(sizeBytes: sizeBytes, modified: WallTime(seconds: 0))
      return includes(file: path, file)
    }
    // Cheap facts first.
    if let minSizeBytes, sizeBytes < minSizeBytes { return false }
    if let maxSizeBytes, sizeBytes > maxSizeBytes { return false }
    guard includes(filePath: path), let time = modified() else { return false }
    return includes(file: path, FilteredFile(sizeBytes: sizeBytes, modified: time))
  }

  /// Whether a file takes part as far as its path alone decides.
  package func includes(filePath path: UnsafeBufferPointer<UInt8>) -> Bool {
    list?.files.contains(path) ?? decide(path, isDirectory: false, fileRules)
  }

  /// Whether a directory may hold something that takes part, and is a part of the mirror itself.
  package func includes(directory path: UnsafeBufferPointer<UInt8>) -> Bool {
    list?.directories.contains(path) ?? decide(path, isDirectory: true, directoryRules)
  }

  private func decide(
    _ path: UnsafeBufferPointer<UInt8>, isDirectory: Bool, _ rules: [Rule]
  ) -> Bool {
    for rule in rules where rule.automaton.matches(path, isDirectory: isDirectory) {
      return rule.includes
    }
    return true
  }
}
