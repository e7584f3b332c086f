import Glibc
import Platform
import TestSupport
import Testing

/// Movers that run as the user of their context; needs root.
@Suite struct MoverUserTests {
  private let bench: MoverBench
  private static let context =
    ", moverSecurityContext: {runAsUser: 65534, runAsGroup: 54321, fsGroup: 54322,"
    + " supplementalGroups: [54323]}"

  init() throws {
    bench = try MoverBench()
    // The user reaches the volume and the repository.
    for path in [bench.repo.directory.path, bench.volume] {
      try #require(chmod(path, 0o755) == 0)
    }
    try #require(mkdir(bench.repo.repository, 0o770) == 0)
    try #require(chown(bench.repo.repository, 0, 54323) == 0)
    try #require(chmod(bench.repo.repository, 0o2770) == 0)
  }

  private func owner(_ path: String) throws -> [UInt32] {
    var status = stat()
    guard stat(path, &status) == 0 else { throw PlatformError.last("stat", path) }
    return [status.st_uid]
  }

  /// Its files are its user's; of what root alone may read it has nothing. It is started by a
  /// program that its user cannot reach.
  @Test func aMoverRunsAsTheUserOfItsContext() throws {
    let hidden = try TemporaryDirectory()
    try runChecked("cp", [try DroverBinary.path, hidden.path("drover")])
    try #require(chmod(hidden.path, 0o700) == 0)
    let result = try runProcess(
      hidden.path("drover"), ["run", "-f", "-", "--once", "-o", "json"],
      environment: bench.repo.environment, stdin: Array(bench.source(Self.context).utf8),
      timeoutSeconds: 120)
    #expect(result.status == 0, "\(result.errorText)")
    #expect(try owner("\(bench.repo.repository)/config") == [65534])
    // A file of root's own is a shortfall for it, as for any user.
    try overwrite("\(bench.volume)/secret", mode: 0o600)
    let partial = try bench.run(bench.source(Self.context))
    #expect(partial.result.status == 3, "\(partial.log)")
    #expect(partial.log.contains("secret"))
  }

  private func overwrite(_ path: String, mode: mode_t) throws {
    let raw = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode)
    guard raw >= 0 else { throw PlatformError.last("open", path) }
    close(raw)
  }

  @Test func aNamespaceWithPrivilegedMoversRunsThemAsDroversUser() throws {
    try overwrite("\(bench.volume)/secret", mode: 0o600)
    let namespace = """
      ---
      apiVersion: v1
      kind: Namespace
      metadata: {name: default, annotations: {volsync.backube/privileged-movers: 'TRUE'}}

      """
    let outcome = try bench.run(bench.source(Self.context) + namespace)
    #expect(outcome.result.status == 0, "\(outcome.log)")
    #expect(try owner("\(bench.repo.repository)/config") == [0])
  }

  /// It gets a volume that it may write to, and its groups.
  @Test func aVolumeThatIsMadeIsTheMovers() throws {
    try bench.runChecked(bench.source(Self.context))
    let state = bench.repo.directory.path("state")
    try #require(mkdir(state, 0o711) == 0)
    let text = bench.destination(Self.context)
      .replacing(
        "destinationPVC: '\(bench.restored)'", with: "capacity: 1Mi, accessModes: [ReadWriteOnce]")
    var bench = bench
    bench.variables["DROVER_STATE"] = state
    let outcome = try bench.run(text)
    let volume = "\(state)/_volumes/default.volsync-data-dest"
    // Owners that it may not set are a shortfall.
    #expect([0, 3].contains(outcome.result.status), "\(outcome.log)")
    var status = stat()
    try #require(stat(volume, &status) == 0)
    #expect(status.st_uid == 65534)
    let names = try DurableFile.names(in: volume, countMax: 99)
    #expect(!names.isEmpty)
    #expect(try owner("\(volume)/\(names[0])") == [65534])
  }

  @Test func onlyRootCanTakeAnotherUser() throws {
    let result = try runProcess(
      "setpriv",
      ["--reuid=65534", "--regid=65534", "--clear-groups", try DroverBinary.path]
        + ["run", "-f", "-", "--once"], environment: bench.repo.environment,
      stdin: Array(bench.source(Self.context.replacing("65534", with: "1234")).utf8),
      timeoutSeconds: 60)
    #expect(result.status != 0)
    #expect(
      result.errorText.contains(
        "the mover cannot run as user 1234: only root's Drover can do that"), "\(result.errorText)")
  }
}
