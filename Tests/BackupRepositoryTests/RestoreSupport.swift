import FileTree
import Glibc
import ObjectStorage
import Platform
import TestSupport

@testable import BackupRepository

/// A repository made by real restic, and restores of it.
final class RestoreBench: Sendable {
  static let password = "test"
  let directory: TemporaryDirectory

  /// An empty repository and an empty directory `source`.
  init() throws {
    directory = try TemporaryDirectory()
    _ = try directory.makeDirectory("source")
    try restic(["init"])
  }

  var source: String { directory.path("source") }
  var target: String { directory.path("target") }
  var repositoryPath: String { directory.path("repo") }

  @discardableResult
  func restic(_ arguments: [String]) throws -> ProcessResult {
    try runChecked(
      "restic", ["-q", "-r", repositoryPath, "--no-cache"] + arguments,
      environment: [
        "RESTIC_PASSWORD": RestoreBench.password, "PATH": "/usr/bin:/bin", "TZ": "UTC",
        "HOME": directory.path,
      ])
  }

  /// Backs up `source`, whose entries stand at the root of the snapshot.
  func backUp(_ options: [String] = []) throws {
    try runChecked(
      "sh",
      [
        "-c", "cd \"$1\" && shift && exec \"$@\"", "sh", source, "restic", "-q", "-r",
        repositoryPath, "--no-cache", "backup", ".",
      ] + options,
      environment: [
        "RESTIC_PASSWORD": RestoreBench.password, "PATH": "/usr/bin:/bin", "TZ": "UTC",
        "HOME": directory.path,
      ])
  }

  func open() throws -> Repository {
    try Repository.open(
      try LocalStore(at: repositoryPath), password: Array(RestoreBench.password.utf8))
  }

  static func latest(_ repository: Repository) throws -> SnapshotRecord {
    let all = try repository.snapshots(try repository.makeCodec()) { _, _ in }
    guard let last = all.last else { throw TestFailure("no snapshot") }
    return last.record
  }

  /// Restores the latest snapshot to `target`.
  @discardableResult
  func restore(
    _ change: (inout RestoreOptions) throws -> Void = { _ in }
  ) throws -> RestoreReport {
    let repository = try open()
    var options = RestoreOptions(target: target)
    options.synchronizes = false
    try change(&options)
    return try Restore(repository, try RestoreBench.latest(repository), options).run()
  }

  /// What is not equal below source and target; the target's root gets the source's attributes
  /// first, as a snapshot does not hold them.
  func differences() throws -> String {
    try runChecked(
      "rsync", ["-aAX", "--exclude=*", "\(source)/", "\(target)/"], environment: ["LC_ALL": "C"])
    return try RsyncJudge.differences(source: source, destination: target)
  }

  func read(_ name: String) throws -> String {
    String(decoding: try ByteFiles.read(Array("\(target)/\(name)".utf8)), as: UTF8.self)
  }

  func write(_ name: String, _ bytes: [UInt8], in root: String) throws {
    try ByteFiles.write(Array("\(root)/\(name)".utf8), bytes)
  }

  func names(_ path: String) throws -> [String] {
    try ByteFiles.names(in: Array(path.utf8)).map { String(decoding: $0, as: UTF8.self) }.sorted()
  }

  /// The zoo without what restic 0.14 does not keep: sockets, targets that are not UTF-8,
  /// attributes of symbolic links.
  func makeZoo(seed: UInt64) throws {
    try MetadataZoo.make(at: source, seed: seed)
    for name in ["special/socket", "symlinks/invalid"] {
      try ByteFiles.remove(Array("\(source)/\(name)".utf8))
    }
    guard geteuid() == 0 else { return }
    try ByteFiles.removeAttribute(Array("\(source)/symlinks/dangling".utf8), "trusted.kind")
  }
}
