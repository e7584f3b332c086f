package import Glibc

/// The modes of what a ``LocalStore`` makes.
///
/// Source: the restic repository format, "objects and storage layout".
package struct LocalModes: Sendable, Equatable {
  /// Given to `mkdir`, so the umask and a set-group-ID parent hold as for any other directory.
  package var directory: mode_t
  /// Files are complete when they get their name, and are never written again.
  package var file: mode_t

  /// For the owner alone.
  package static let owner = LocalModes(directory: 0o700, file: 0o400)
  /// For the group as well.
  package static let group = LocalModes(directory: 0o770, file: 0o440)

  /// Those of a store whose `config` has this mode.
  package init(config mode: mode_t) {
    self = mode & 0o040 != 0 ? .group : .owner
  }

  private init(directory: mode_t, file: mode_t) {
    self.directory = directory
    self.file = file
  }
}
