/// The kinds that can be read, by group and kind. Others join by ``register(_:)``.
package struct KindRegistry: Sendable {
  private struct Name: Hashable {
    var group: String
    var kind: String
  }

  private var types: [Name: any Manifest.Type] = [:]
  private var byUniqueKind: [String: any Manifest.Type] = [:]

  package init() {}

  /// Every kind of this target.
  package static var standard: KindRegistry {
    var registry = KindRegistry()
    registry.register(ReplicationSource.self)
    registry.register(ReplicationDestination.self)
    registry.register(Secret.self)
    registry.register(ConfigMap.self)
    registry.register(PersistentVolume.self)
    registry.register(PersistentVolumeClaim.self)
    registry.register(Namespace.self)
    registry.register(StorageClass.self)
    registry.register(VolumeSnapshotClass.self)
    registry.register(VolumeSnapshot.self)
    registry.register(VeleroBackup.self)
    registry.register(VeleroRestore.self)
    registry.register(VeleroSchedule.self)
    registry.register(BackupStorageLocation.self)
    registry.register(VolumeSnapshotLocation.self)
    registry.register(DataProtectionApplication.self)
    registry.register(VolumeSnapshotBackup.self)
    registry.register(VolumeSnapshotRestore.self)
    registry.register(HubBackupSchedule.self)
    registry.register(HubRestore.self)
    return registry
  }

  /// Adds a kind; a kind of a group is registered once, under one version.
  package mutating func register(_ type: any Manifest.Type) {
    let name = Name(group: type.group, kind: type.kind)
    precondition(types[name] == nil, "the kind \(type.title) is registered twice")
    precondition(byUniqueKind[type.uniqueKind] == nil, "\(type.uniqueKind) names two kinds")
    types[name] = type
    byUniqueKind[type.uniqueKind] = type
  }

  /// The kind of an ``ObjectKey``.
  package subscript(uniqueKind: String) -> (any Manifest.Type)? { byUniqueKind[uniqueKind] }

  /// The kind of that name in that group.
  package func type(group: String, kind: String) -> (any Manifest.Type)? {
    types[Name(group: group, kind: kind)]
  }

  /// Every kind of that name, in the order of their versions.
  package func types(named kind: String) -> [any Manifest.Type] {
    types.filter { $0.key.kind == kind }.map(\.value).sorted { $0.apiVersion < $1.apiVersion }
  }

  /// All kinds in the order of their names, then of their versions.
  package var all: [any Manifest.Type] {
    types.values.sorted { ($0.kind, $0.apiVersion) < ($1.kind, $1.apiVersion) }
  }

  package var kindNames: [String] { Set(types.keys.map(\.kind)).sorted() }

  /// The kinds that a word on the command line means: a kind, its plural or short name, in any
  /// case, alone or as `name.group`.
  package func types(meantBy word: String) -> [any Manifest.Type] {
    let word = word.lowercased()
    return all.filter { type in
      ([type.kind.lowercased(), type.plural] + type.aliases).contains { name in
        word == name || (!type.group.isEmpty && word == "\(name).\(type.group)")
      }
    }
  }

  /// What may be written for a kind, for suggestions.
  package var spellings: [String] {
    all.flatMap { [$0.kind.lowercased(), $0.plural] + $0.aliases }
  }
}
