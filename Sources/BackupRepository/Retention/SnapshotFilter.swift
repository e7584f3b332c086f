/// Which snapshots a command looks at; every part that is not empty has to fit.
package struct SnapshotFilter: Sendable, Equatable, CustomStringConvertible {
  /// One of them.
  package var hosts: [String] = []
  /// All tags of one of the lists.
  package var tags: [TagList] = []
  /// All of them; a snapshot may have more paths.
  package var paths: [String] = []

  package init(hosts: [String] = [], tags: [TagList] = [], paths: [String] = []) {
    self.hosts = hosts
    self.tags = tags
    self.paths = paths
  }

  package var isEmpty: Bool { hosts.isEmpty && tags.isEmpty && paths.isEmpty }

  package func matches(_ snapshot: RetentionSnapshot) -> Bool {
    (hosts.isEmpty || hosts.containsExactly(snapshot.hostname))
      && (tags.isEmpty || tags.contains { $0.isFulfilled(by: snapshot.tags) })
      && paths.allSatisfy { snapshot.paths.containsExactly($0) }
  }

  package var description: String {
    guard !isEmpty else { return "any snapshot" }
    var parts: [String] = []
    if !hosts.isEmpty { parts.append("host \(hosts.joined(separator: " or "))") }
    if !tags.isEmpty { parts.append("tags \(tags.map(\.description).joined(separator: " or "))") }
    if !paths.isEmpty { parts.append("paths [\(paths.joined(separator: ", "))]") }
    return parts.joined(separator: ", ")
  }
}

/// How a user names a snapshot: `latest`, `latest~2`, or the first digits of an identifier, each
/// with `:subfolder` behind it if only a part of the tree is meant.
package struct SnapshotReference: Sendable, Equatable {
  package enum Name: Sendable, Equatable {
    /// The newest snapshot that fits the filter, after skipping so many newer ones.
    case latest(skipping: Int)
    case prefix(String)
  }

  package let name: Name
  /// The folder of the tree, as given; nil for the whole one.
  package let subfolder: String?

  /// Reads a reference. `latest~2` is Drover's own (rustic has it as well), the rest is restic's.
  ///
  /// - Throws: `RetentionError.invalidReference` for anything that no snapshot can have as a name:
  ///   without digits it would mean them all.
  package init(parsing text: String) throws(RetentionError) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let word = parts.first.map(String.init) ?? ""
    subfolder = parts.count > 1 && !parts[1].isEmpty ? String(parts[1]) : nil
    if word == "latest" {
      name = .latest(skipping: 0)
    } else if word.hasPrefix("latest~") {
      guard let count = Int(word.dropFirst(7)), count >= 0 else {
        throw .invalidReference(text: text, reason: "after 'latest~' stands a number")
      }
      name = .latest(skipping: count)
    } else {
      guard !word.isEmpty else { throw .invalidReference(text: text, reason: "it is empty") }
      guard word.utf8.count <= 64, word.utf8.allSatisfy(isLowerHexDigit) else {
        throw .invalidReference(
          text: text, reason: "a name is 'latest', or up to 64 digits out of 0-9 and a-f")
      }
      name = .prefix(word)
    }
  }
}

private func isLowerHexDigit(_ byte: UInt8) -> Bool {
  (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
}
