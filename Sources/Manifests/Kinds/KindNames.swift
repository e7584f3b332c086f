import Platform

/// The names by which people call kinds, as kubectl knows them.
extension KindRegistry {
  private static let shortNames = [
    "rs": "ReplicationSource", "rd": "ReplicationDestination", "pv": "PersistentVolume",
    "pvc": "PersistentVolumeClaim", "cm": "ConfigMap", "ns": "Namespace", "sc": "StorageClass",
    "vsclass": "VolumeSnapshotClass", "vsclasses": "VolumeSnapshotClass",
  ]

  /// The kind that a word calls: singular, plural or short, in any case, also with its group
  /// behind a dot.
  package func type(called word: String) -> (any Manifest.Type)? {
    let word = word.lowercased()
    let name = word.prefix { $0 != "." }
    let group = word.dropFirst(name.count + 1)
    let found = KindRegistry.shortNames[String(name)].flatMap { self[$0] }
    let type =
      found
      ?? kindNames.lazy.compactMap { self[$0] }.first {
        $0.lowerCaseKind == name || $0.pluralKind == name
      }
    guard let type, group.isEmpty || group == type.group else { return nil }
    return type
  }

  /// The words that ``type(called:)`` takes, for suggestions.
  package var callableNames: [String] {
    kindNames.flatMap { name in
      self[name].map { [$0.lowerCaseKind, $0.pluralKind] } ?? []
    } + KindRegistry.shortNames.keys.sorted()
  }
}

extension Manifest {
  package static var lowerCaseKind: String { kind.lowercased() }

  package static var pluralKind: String {
    lowerCaseKind.hasSuffix("s") ? lowerCaseKind + "es" : lowerCaseKind + "s"
  }

  /// The group of the version; empty for the core's.
  package static var group: String {
    let parts = apiVersion.split(separator: "/")
    return parts.count == 2 ? String(parts[0]) : ""
  }

  /// `replicationsource.volsync.backube`, as results name objects.
  package static var resultName: String {
    group.isEmpty ? lowerCaseKind : "\(lowerCaseKind).\(group)"
  }

  /// `replicationsources.volsync.backube`, as failures name kinds.
  package static var resourceName: String {
    group.isEmpty ? pluralKind : "\(pluralKind).\(group)"
  }
}
