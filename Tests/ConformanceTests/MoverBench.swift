import Glibc
import Platform
import TestSupport
import Testing

/// A volume, a place for its repository, and `drover run` on manifests that name both.
struct MoverBench {
  let repo: RepoBench
  /// Added to the environment of our program.
  var variables: [String: String] = [:]
  /// The volume of the source; its files are those of ``RepoBench/source``.
  let volume: String
  /// The volume of the destination, empty.
  let restored: String

  /// How a run ended, with the objects that it has printed, by kind.
  struct Outcome {
    var result: ProcessResult
    var objects: [String: JSONValue]

    /// Reads what the run has printed with `-o json`.
    init(_ result: ProcessResult) throws {
      self.result = result
      objects = [:]
      guard !result.output.isEmpty else { return }
      let value = try JSONValue(parsing: result.output)
      for object in value["items"]?.arrayValue ?? [value] {
        if let kind = object["kind"]?.stringValue { objects[kind] = object }
      }
    }

    var log: String { result.errorText }
    func status(_ kind: String) -> JSONValue? { objects[kind]?["status"] }
    var source: JSONValue? { status("ReplicationSource") }
    var destination: JSONValue? { status("ReplicationDestination") }
  }

  init() throws { try self.init(try RepoBench()) }

  init(_ repo: RepoBench) throws {
    self.repo = repo
    volume = repo.source
    restored = try repo.directory.makeDirectory("restored")
    guard mkdir("\(volume)/lost+found", 0o700) == 0 else { throw PlatformError.last("mkdir") }
  }

  // MARK: manifests

  func secret(_ more: String = "") -> String {
    """
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: repository}
    stringData:
      RESTIC_REPOSITORY: '\(repo.repository)'
      RESTIC_PASSWORD: '\(repo.password)'
      \(more)

    """
  }

  func source(_ section: String = "", metadata: String = "", status: String = "") -> String {
    secret() + """
      ---
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationSource
      metadata: {name: data\(metadata)}
      spec:
        sourcePVC: '\(volume)'
        trigger: {manual: once}
        restic: {repository: repository, copyMethod: Direct\(section)}
      \(status)

      """
  }

  func destination(_ section: String = "") -> String {
    secret() + """
      ---
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationDestination
      metadata: {name: data}
      spec:
        trigger: {manual: restore-once}
        restic:
          {repository: repository, copyMethod: Direct, destinationPVC: '\(restored)'\(section)}

      """
  }

  // MARK: running

  /// Runs the manifests by a program in front of ours, if one is named.
  func run(_ manifests: String, by wrapper: [String] = []) throws -> Outcome {
    let command = wrapper + [try DroverBinary.path, "run", "-f", "-", "--once", "-o", "json"]
    let result = try runProcess(
      command[0], Array(command.dropFirst()),
      environment: repo.environment.merging(variables) { $1 }, stdin: Array(manifests.utf8),
      timeoutSeconds: 180)
    return try Outcome(result)
  }

  /// Runs the manifests, which has to succeed.
  @discardableResult
  func runChecked(
    _ manifests: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Outcome {
    let outcome = try run(manifests)
    #expect(outcome.result.status == 0, "\(outcome.log)", sourceLocation: sourceLocation)
    return outcome
  }

  // MARK: restic

  /// Backs the volume up by restic as VolSync's mover does: mounted at /data, from within.
  ///
  /// The mount is that of a name space of its own, with a root of links and mounts, so that this
  /// machine gets no /data.
  func backUpByRestic(_ options: [String] = []) throws {
    let root = try repo.directory.makeDirectory("root")
    let script = #"""
      set -e
      root=$1 volume=$2
      shift 2
      mount -t tmpfs none "$root"
      for entry in /*; do
        if [ -L "$entry" ]; then cp -P "$entry" "$root"
        elif [ -d "$entry" ] && [ "$entry" != /data ]; then
          mkdir "$root$entry"
          mount --rbind "$entry" "$root$entry"
        fi
      done
      mkdir "$root/data"
      mount --bind "$volume" "$root/data"
      exec chroot "$root" sh -c 'cd /data && exec "$@" .' sh "$@"
      """#
    var variables = repo.environment
    for (name, value) in variables where value.isEmpty { variables[name] = nil }
    try TestSupport.runChecked(
      "unshare",
      [
        "--mount", "sh", "-c", script, "sh", root, volume, "restic", "--no-cache", "backup",
        "--host", "volsync", "--exclude", "lost+found",
      ] + options, environment: variables)
    rmdir(root)
  }

  /// The snapshots as restic lists them, oldest first.
  func snapshots() throws -> [JSONValue] {
    try JSONValue(parsing: try repo.restic(["snapshots", "--json"]).output).arrayValue ?? []
  }

  /// What the index has of data blobs.
  func dataBlobs() throws -> Set<String> {
    let lines = try repo.restic(["list", "blobs"]).outputText.split(separator: "\n")
    return Set(lines.filter { $0.hasPrefix("data") }.map(String.init))
  }

  /// Expects another directory to be like the volume, but for `lost+found` and the roots' own
  /// attributes, which are no part of a snapshot.
  func expectEqual(
    _ directory: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let differences = try RsyncJudge.differences(
      source: volume, destination: directory, options: ["--exclude=/lost+found"]
    ).split(separator: "\n").filter { !$0.hasSuffix(" ./") }
    #expect(differences.isEmpty, "\(differences)", sourceLocation: sourceLocation)
  }
}
