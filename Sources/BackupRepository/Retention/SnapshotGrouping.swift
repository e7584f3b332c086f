/// What retention and selection have to know of a snapshot.
package struct RetentionSnapshot: Sendable, Equatable {
  package var id: SnapshotID
  package var time: CivilTime
  package var hostname: String
  package var paths: [String]
  package var tags: [String]

  package init(
    id: SnapshotID, time: CivilTime, hostname: String, paths: [String], tags: [String] = []
  ) {
    self.id = id
    self.time = time
    self.hostname = hostname
    self.paths = paths
    self.tags = tags
  }
}

/// By what snapshots are divided before a policy is applied; by nothing makes one group.
package struct SnapshotGrouping: OptionSet, Sendable {
  package let rawValue: UInt8

  package init(rawValue: UInt8) { self.rawValue = rawValue }

  package static let host = SnapshotGrouping(rawValue: 1)
  package static let paths = SnapshotGrouping(rawValue: 2)
  package static let tags = SnapshotGrouping(rawValue: 4)

  /// What restic groups by when it is not told.
  package static let standard: SnapshotGrouping = [.host, .paths]

  /// Reads `host`, `paths` and `tags` (singular or plural), divided by commas.
  ///
  /// - Throws: `RetentionError.unknownGrouping`.
  package init(parsing text: String) throws(RetentionError) {
    self = []
    for word in text.split(separator: ",") {
      switch word {
      case "host", "hosts": insert(.host)
      case "path", "paths": insert(.paths)
      case "tag", "tags": insert(.tags)
      default: throw .unknownGrouping(text: String(word))
      }
    }
  }
}

/// What the snapshots of one group have in common; nil where they were not divided by it.
package struct SnapshotGroupKey: Sendable, Equatable, CustomStringConvertible {
  package let hostname: String?
  /// In ascending order.
  package let paths: [String]?
  /// In ascending order.
  package let tags: [String]?

  package init(_ snapshot: RetentionSnapshot, by grouping: SnapshotGrouping) {
    hostname = grouping.contains(.host) ? snapshot.hostname : nil
    paths = grouping.contains(.paths) ? sortedByBytes(snapshot.paths) : nil
    tags = grouping.contains(.tags) ? sortedByBytes(snapshot.tags) : nil
  }

  package var description: String {
    var parts: [String] = []
    if let hostname { parts.append("host \(hostname)") }
    if let tags { parts.append("tags [\(tags.joined(separator: ", "))]") }
    if let paths { parts.append("paths [\(paths.joined(separator: ", "))]") }
    return parts.joined(separator: ", ")
  }

  /// The parts with their lengths: equal only for groups that are equal byte by byte.
  fileprivate var bytes: [UInt8] {
    var bytes: [UInt8] = []
    for part in [hostname.map { [$0] }, paths, tags] {
      for text in part ?? [] {
        withUnsafeBytes(of: text.utf8.count) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: text.utf8)
      }
      withUnsafeBytes(of: part == nil ? -2 : -1) { bytes.append(contentsOf: $0) }
    }
    return bytes
  }
}

/// Divides snapshots: groups in the order of their first snapshot, each in the order given.
func groupSnapshots(
  _ snapshots: [RetentionSnapshot], by grouping: SnapshotGrouping
) -> [(key: SnapshotGroupKey, snapshots: [RetentionSnapshot])] {
  var numbers: [[UInt8]: Int] = [:]
  var groups: [(key: SnapshotGroupKey, snapshots: [RetentionSnapshot])] = []
  for snapshot in snapshots {
    let key = SnapshotGroupKey(snapshot, by: grouping)
    let bytes = key.bytes
    if let number = numbers[bytes] {
      groups[number].snapshots.append(snapshot)
    } else {
      numbers[bytes] = groups.count
      groups.append((key, [snapshot]))
    }
  }
  return groups
}

extension [String] {
  /// Whether a text is in the list byte by byte. Swift's own equality is that of a normal form, in
  /// which different paths can be equal.
  func containsExactly(_ text: String) -> Bool {
    contains { $0.utf8.elementsEqual(text.utf8) }
  }
}

/// Texts in the order of their UTF-8 bytes.
private func sortedByBytes(_ texts: [String]) -> [String] {
  texts.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
}
