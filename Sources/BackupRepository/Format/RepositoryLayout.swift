/// The kinds of files of a repository and where they rest in its store.
package enum RepositoryFileKind: String, Sendable, CaseIterable {
  case key = "keys"
  case pack = "data"
  case index
  case snapshot = "snapshots"
  case lock = "locks"
}

/// A role of ``Identifier`` that names files of a store.
package protocol FileRole { static var kind: RepositoryFileKind { get } }
extension KeyRole: FileRole { package static var kind: RepositoryFileKind { .key } }
extension PackRole: FileRole { package static var kind: RepositoryFileKind { .pack } }
extension IndexRole: FileRole { package static var kind: RepositoryFileKind { .index } }
extension SnapshotRole: FileRole { package static var kind: RepositoryFileKind { .snapshot } }
extension LockRole: FileRole { package static var kind: RepositoryFileKind { .lock } }

/// Paths of the files of a repository below its root, the same on every store.
///
/// | file | path |
/// |---|---|
/// | config | `config` |
/// | key, index, snapshot, lock | `keys/<id>`, `index/<id>`, `snapshots/<id>`, `locks/<id>` |
/// | pack | `data/<first two digits>/<id>` |
///
/// Source: the restic repository format, "objects and storage layout".
package enum RepositoryLayout {
  package static let config = "config"

  /// Prefix of all files of a kind, with its slash.
  package static func prefix(of kind: RepositoryFileKind) -> String { kind.rawValue + "/" }

  package static func path<Role: FileRole>(of id: Identifier<Role>) -> String {
    let hex = id.hex
    guard Role.kind == .pack else { return prefix(of: Role.kind) + hex }
    return "\(prefix(of: .pack))\(hex.prefix(2))/\(hex)"
  }

  /// Every directory of a repository, parents first; a store with directories makes them at `init`.
  package static var directories: [String] {
    let packs = (0..<256).map { number in
      let digits = [hexDigit(UInt8(number >> 4)), hexDigit(UInt8(number & 15))]
      return "data/" + String(decoding: digits, as: UTF8.self)
    }
    return RepositoryFileKind.allCases.map(\.rawValue) + packs
  }

  /// The identifier that a listed path names; nil for anything else that lies around: temporary
  /// files, unknown names, packs below the wrong two digits.
  package static func identifier<Role: FileRole>(
    _ role: Identifier<Role>.Type, of path: String
  ) -> Identifier<Role>? {
    let prefix = prefix(of: Role.kind)
    guard path.hasPrefix(prefix) else { return nil }
    let parts = path.dropFirst(prefix.count).utf8.split(
      separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard let name = parts.last, let id = Identifier<Role>(hex: name) else { return nil }
    switch parts.count {
    // A flat `data/` is how stores that know no levels list it.
    case 1: return id
    case 2 where Role.kind == .pack && parts[0].elementsEqual(name.prefix(2)): return id
    default: return nil
    }
  }

  /// Names at the root of the layout that object stores had before restic 0.18 dropped it.
  package static let oldDirectories = ["key", "lock", "snapshot"]
}
