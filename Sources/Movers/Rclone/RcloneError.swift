import ObjectMirror
import Platform
import Remotes

/// Failures of the section `rclone`. No message holds a value of the Secret.
enum RcloneError: DroverError {
  case mirror(MirrorError)
  case remote(RemoteError)
  case setting(RcloneSettings.Problem)
  /// The volume holds nothing, which would empty the remotes.
  case emptyVolume(path: String)
  /// The volume's own file has the name under which the permissions are kept.
  case permissionsFileInVolume(path: String)
  /// There are files, and nothing that says whose they are.
  case noPermissions(remote: String)
  /// There are files, and what would say whose they are says nothing.
  case emptyPermissions(remote: String)
  case nothingToRestore(remote: String)
  /// Somebody has written to the remote while it was read.
  case changedMeanwhile(remote: String)

  var kind: FailureKind {
    switch self {
    case .mirror(let error): error.kind
    case .remote(let error): error.kind
    case .setting: .usage
    case .emptyVolume, .permissionsFileInVolume: .refused
    case .noPermissions, .nothingToRestore: .notFound
    case .emptyPermissions: .corrupt
    case .changedMeanwhile: .failed
    }
  }

  var message: String {
    switch self {
    case .mirror(let error): error.message
    case .remote(let error): error.message
    case .setting(let problem): "\(problem.variable) \(problem.text)"
    case .emptyVolume(let path):
      "the volume at \(printable(path.utf8)) is empty: nothing was sent or deleted"
    case .permissionsFileInVolume(let path):
      "the volume at \(printable(path.utf8)) has a file \(PermissionsFile.name) of its own, and"
        + " the bucket keeps the permissions of the volume under that name: nothing was sent"
    case .noPermissions(let remote):
      "\(remote) has no \(PermissionsFile.name): nothing was restored"
    case .emptyPermissions(let remote):
      "\(remote) has files, and its \(PermissionsFile.name) names none: nothing was restored"
    case .nothingToRestore(let remote):
      "there is nothing to restore in \(remote): nothing was changed"
    case .changedMeanwhile(let remote):
      "\(remote) was written to while it was read, again and again"
    }
  }

  var guardName: GuardName? {
    switch self {
    case .mirror(let error): error.guardName
    case .emptyVolume: .emptySource
    case .nothingToRestore: .nothingToRestore
    default: nil
    }
  }

  var hint: String? {
    switch self {
    case .mirror(.emptySource):
      "Check that the source is mounted, or allow it with the annotation"
        + " drover.internal/allow-empty-source."
    case .mirror(.tooManyDeletions): "Look at the source, or allow more with RCLONE_MAX_DELETE."
    case .mirror(let error): error.hint
    case .remote(let error): error.hint
    case .setting: nil
    case .emptyVolume:
      "Mount it, or allow it with the annotation drover.internal/allow-empty-source."
    case .permissionsFileInVolume: "Give the file another name."
    case .noPermissions, .emptyPermissions:
      "A source of VolSync that runs right now removes the file for a while: run again. What"
        + " another program has stored is fetched by drover mirror."
    case .nothingToRestore:
      "Look at rcloneDestPath; the annotation drover.internal/allow-empty-source restores what an"
        + " empty volume has left."
    case .changedMeanwhile: "Run again when its source has ended."
    }
  }

  var cause: (any DroverError)? {
    switch self {
    case .mirror(let error): error.cause
    case .remote(let error): error.cause
    default: nil
    }
  }
}
