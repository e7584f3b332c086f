/// The names by which people call kinds, as kubectl knows them.
extension KindRegistry {
  /// The one kind that a word calls: singular, plural or short, in any case, also with its group
  /// behind a dot.
  package func type(called word: String) -> (any Manifest.Type)? {
    let found = types(meantBy: word)
    return found.count == 1 ? found[0] : nil
  }

  /// The words that ``type(called:)`` takes, for suggestions.
  package var callableNames: [String] { spellings }
}

extension Manifest {
  /// The kind in small letters, with its group where another group has a kind of that name: a
  /// directory is named so.
  package static var lowerCaseKind: String { uniqueKind.lowercased() }

  /// `replicationsource.volsync.backube`, as results name objects.
  package static var resultName: String {
    group.isEmpty ? kind.lowercased() : "\(kind.lowercased()).\(group)"
  }

  /// `replicationsources.volsync.backube`, as failures name kinds.
  package static var resourceName: String {
    group.isEmpty ? plural : "\(plural).\(group)"
  }
}
