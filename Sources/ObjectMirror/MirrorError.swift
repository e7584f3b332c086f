import Glibc
package import ObjectStorage
package import Platform
package import Remotes

/// Failures of mirrors. Paths and keys are bytes; messages show them printable.
package enum MirrorError: DroverError {
  /// A file or directory below the root, or the root itself for an empty path.
  case local(PlatformError, path: [UInt8])
  case store(S3Error)
  /// The destination's bucket is not there and cannot be made.
  case noBucket(String, S3Error)
  /// A key that cannot be a path, or a path that cannot be a key.
  case unusable(name: [UInt8], KeyPaths.Problem)
  /// A file that changed while it was read.
  case changed(path: [UInt8])
  /// What arrived is not what was there.
  case damaged(path: [UInt8], problem: String)
  /// Something else than a file or a directory stands where one of them has to.
  case notAFile(path: [UInt8])
  /// `--immutable`: the destination differs and may not be changed.
  case immutable(path: [UInt8])
  /// The source, by its name for people, is not there.
  case noSource(String)
  case tooManyDeletions(planned: Int64, limit: Int64)
  /// In bytes.
  case tooLargeDeletions(planned: Int64, limit: Int64)
  /// `--delete-during`: what was found first is deleted already.
  case deletionsEnded(limit: String)
  /// Everything at the destination would be deleted.
  case emptySource(destination: String, fileCount: Int64)
  /// The source has lost too much since the last run.
  case shrunkenSource(SourceLoss)
  /// Too many of the files at the destination would be deleted.
  case massDeletion(destination: String, planned: Int64, total: Int64)
  /// Source and destination lie within each other.
  case overlap(String, String)
  /// `permissions.facl` is none.
  case permissions(AccessTextError)
  case unserved(String)
  case usage(String)
  case cancelled

  package var kind: FailureKind {
    switch self {
    case .local(let error, _): error.kind
    case .store(let error), .noBucket(_, let error): error.kind
    case .unusable: .partial
    case .changed: .partial
    case .damaged: .corrupt
    case .notAFile: .failed
    case .immutable, .tooManyDeletions, .tooLargeDeletions, .deletionsEnded, .emptySource,
      .shrunkenSource, .massDeletion, .overlap:
      .refused
    case .noSource: .notFound
    case .permissions(let error): error.kind
    case .unserved: .unsupported
    case .usage: .usage
    case .cancelled: .cancelled
    }
  }

  package var message: String {
    switch self {
    case .local(let error, let path):
      "\(printable(path.isEmpty ? [0x2e] : path)): "
        + "\(PlatformError.reason(of: error.errno)) (\(error.call))"
    case .store(let error): error.message
    case .noBucket(let name, _): "\(name): the bucket is not there and cannot be made"
    case .unusable(let name, let problem): "\(printable(name)): \(problem)"
    case .changed(let path): "\(printable(path)): it changed while it was read"
    case .damaged(let path, let problem): "\(printable(path)): \(problem)"
    case .notAFile(let path): "\(printable(path)): neither a regular file nor a directory"
    case .immutable(let path): "\(printable(path)): it differs, and --immutable protects it"
    case .noSource(let name): "there is no \(name)"
    case .tooManyDeletions(let planned, let limit):
      "\(planned) files would be deleted, --max-delete allows \(limit); nothing was deleted"
    case .tooLargeDeletions(let planned, let limit):
      "files of \(planned) bytes would be deleted, --max-delete-size allows \(limit);"
        + " nothing was deleted"
    case .deletionsEnded(let limit): "no more files are deleted: \(limit) allows no more"
    case .emptySource(let destination, let count):
      "the source holds no files, and \(count) in \(destination) would be deleted;"
        + " nothing was deleted"
    case .shrunkenSource(let loss):
      "\(GuardName.shrunkenSource.prefix)\(loss.text): nothing was deleted"
    case .massDeletion(let destination, let planned, let total):
      "\(GuardName.massDeletion.prefix)\(planned) of \(total) files in \(destination) would be"
        + " deleted: none was"
    case .overlap(let source, let destination):
      "\(source) and \(destination) lie within each other"
    case .permissions(let error): error.message
    case .unserved(let problem), .usage(let problem): problem
    case .cancelled: "cancelled"
    }
  }

  package var guardName: GuardName? {
    switch self {
    case .emptySource: .emptySource
    case .shrunkenSource: .shrunkenSource
    case .massDeletion: .massDeletion
    default: nil
    }
  }

  package var hint: String? {
    switch self {
    case .local(let error, _): error.hint
    case .store(let error), .noBucket(_, let error): error.hint
    case .changed: "Run again."
    case .tooManyDeletions: "Look at the source, or allow more with --max-delete."
    case .tooLargeDeletions: "Look at the source, or allow more with --max-delete-size."
    case .deletionsEnded: "Look at the source, or allow more."
    case .emptySource:
      "Check that the source is mounted; --allow-empty-source deletes all the same."
    case .shrunkenSource, .massDeletion: SourceLoss.hint
    case .overlap: "Name two places of which neither holds the other."
    default: nil
    }
  }

  /// Whether everything else that is asked of the same store, or written to the same file system,
  /// will fail in the same way.
  package var isLasting: Bool {
    switch self {
    case .store(let error): error.isLasting
    case .local(let error, _): [ENOSPC, EDQUOT, EROFS].contains(error.errno)
    case .noBucket: true
    default: false
    }
  }

  package var cause: (any DroverError)? {
    switch self {
    case .store(let error): error.cause
    case .noBucket(_, let error): error
    default: nil
    }
  }
}
