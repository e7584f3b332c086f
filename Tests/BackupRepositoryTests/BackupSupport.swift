import Glibc
import ObjectStorage
import Platform
import TestSupport

@testable import BackupRepository

/// A local repository and a place for sources, with restic beside it.
final class BackupSpace: Sendable {
  static let password = "test"
  static let host = "drover-test"
  let directory: TemporaryDirectory
  let store: LocalStore
  let repository: Repository

  init(version: RepositoryVersion = .v2) throws {
    directory = try TemporaryDirectory()
    store = try LocalStore.create(
      at: directory.path("repo"), folders: RepositoryLayout.directories.map { try ObjectKey($0) })
    var creation = Repository.Creation()
    creation.version = version
    repository = try Repository.create(
      store, password: Array(BackupSpace.password.utf8), creation,
      now: GoTime(seconds: 1_700_000_000))
  }

  /// The same repository behind another store, without deriving the key anew.
  func repository(on store: any ObjectStore) -> Repository {
    Repository(
      store: store, config: repository.config, key: repository.key, keyID: repository.keyID,
      options: RepositoryOptions())
  }

  @discardableResult
  func restic(
    _ arguments: [String], repo: String = "repo", stdin: [UInt8] = []
  ) throws -> ProcessResult {
    try runProcess(
      "restic", ["-r", directory.path(repo), "--no-cache"] + arguments,
      environment: ["RESTIC_PASSWORD": BackupSpace.password, "PATH": "/usr/bin:/bin"],
      stdin: stdin)
  }

  /// What `restic check --read-data` complains about; empty when all is well.
  func complaints(repo: String = "repo") throws -> String {
    let result = try restic(["check", "--read-data"], repo: repo)
    let isSound = result.status == 0 && result.outputText.contains("no errors were found")
    return isSound ? "" : result.outputText + result.errorText
  }

  func options(_ targets: [String]) -> BackupOptions {
    var options = BackupOptions()
    options.targets = targets.map { Array($0.utf8) }
    options.hostname = BackupSpace.host
    options.packSizeBytes = 4 << 20
    return options
  }

  @discardableResult
  func backup(
    _ targets: [String], _ change: (inout BackupOptions) -> Void = { _ in },
    observe: @escaping @Sendable (BackupEvent) -> Void = { _ in }
  ) throws -> BackupReport {
    var options = options(targets)
    change(&options)
    return try Backup(repository, options, observe: observe).run()
  }

  /// Backs up by restic and gives the record.
  func resticBackup(_ arguments: [String], stdin: [UInt8] = []) throws -> SnapshotRecord {
    let before = Set(try repository.list(SnapshotID.self))
    let result = try restic(
      ["backup", "--host", BackupSpace.host] + arguments, stdin: stdin)
    guard result.status == 0 else { throw TestFailure(result.outputText + result.errorText) }
    let codec = try repository.makeCodec()
    guard let id = try repository.list(SnapshotID.self).first(where: { !before.contains($0) })
    else {
      throw TestFailure("restic made no snapshot: \(result.outputText)")
    }
    return try repository.snapshot(id, codec)
  }

  /// Restores a snapshot by restic and gives the directory.
  func resticRestore(_ id: SnapshotID, repo: String = "repo") throws -> String {
    let target = directory.path("restored-\(id.short)")
    let result = try restic(["restore", id.hex, "--target", target], repo: repo)
    guard result.status == 0 else { throw TestFailure(result.outputText + result.errorText) }
    return target
  }

  /// The paths of all nodes of a tree, in order.
  func paths(of tree: BlobID) throws -> [String] {
    let reader = try BlobReader(repository, try repository.loadIndex())
    let decoder = try TreeDecoder()
    var result: [String] = []
    func visit(_ id: BlobID, _ prefix: String) throws {
      let tree = try reader.tree(id, decoder, .strict)
      for node in tree.nodes {
        let path = prefix + "/" + printable(tree.name(of: node))
        result.append(path)
        if let subtree = node.facts.subtree { try visit(subtree, path) }
      }
    }
    try visit(tree, "")
    return result
  }

  /// The tree of a directory in a snapshot. The directories above it belong to the machine and may
  /// change at any time.
  func subtree(_ path: String, of root: BlobID) throws -> BlobID {
    let reader = try BlobReader(repository, try repository.loadIndex())
    let decoder = try TreeDecoder()
    var id = root
    for name in path.split(separator: "/") {
      let tree = try reader.tree(id, decoder, .strict)
      guard let index = Array(name.utf8).withUnsafeBytes({ tree.index(of: $0) }),
        let subtree = tree.nodes[index].facts.subtree
      else { throw TestFailure("no directory \(path) in the snapshot") }
      id = subtree
    }
    return id
  }

  /// The paths below a directory that stands somewhere in the snapshot.
  func paths(of tree: BlobID, below directory: String) throws -> [String] {
    try paths(of: tree).filter { $0.hasPrefix(directory + "/") }
      .map { String($0.dropFirst(directory.count + 1)) }
  }

  func write(_ path: String, _ content: [UInt8]) throws {
    try ByteFiles.write(Array(path.utf8), content)
  }
}

/// Collects what a backup tells.
final class EventLog: @unchecked Sendable {
  private let lock = Lock()
  private var all: [BackupEvent] = []

  func add(_ event: BackupEvent) { lock.withLock { all.append(event) } }

  var problems: [String] {
    lock.withLock {
      all.compactMap { if case .problem(let problem) = $0 { printable(problem.path) } else { nil } }
    }
  }

  var items: [BackupItem] {
    lock.withLock { all.compactMap { if case .item(let item) = $0 { item } else { nil } } }
  }
}
