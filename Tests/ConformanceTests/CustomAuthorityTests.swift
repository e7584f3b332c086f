import Platform
import TestSupport
import Testing

/// A store whose certificate no public authority has signed: served with the authority's own
/// certificate, refused at once without it or with another.
@Suite struct CustomAuthorityTests {
  private let directory: TemporaryDirectory
  private let authority: TestAuthority
  private let other: TestAuthority
  private let server: RcloneServer

  init() throws {
    directory = try TemporaryDirectory()
    authority = try TestAuthority(in: directory)
    other = try TestAuthority(in: directory, name: "other")
    server = try RcloneServer(authority: authority)
    try server.makeBucket("volumes")
  }

  @Test func mirrors() throws {
    let bench = try MirrorBench(server, bucket: "volumes")
    try bench.fill()
    let client = try bench.client(.current)
    let sync = ["sync", bench.source, bench.remote("data")]
    for options in [[], ["--ca-cert", other.certificatePath]] {
      let refused = try bench.drover(sync + options, client)
      #expect(refused.status != 0)
      #expect(refused.errorText.contains("certificate"), "\(refused.errorText)")
    }
    #expect(try bench.drover(sync + ["--ca-cert", directory.path("none")], client).status != 0)
    try bench.droverChecked(sync + ["--ca-cert", authority.certificatePath], client)
    let back = bench.directory.path("back")
    try bench.droverChecked(
      ["sync", bench.remote("data"), back], client, ["RCLONE_CA_CERT": authority.certificatePath])
    #expect(try runProcess("diff", ["-r", "\(bench.source)/d", "\(back)/d"]).outputText == "")
    try bench.droverChecked(sync + ["--no-check-certificate"], client)
  }

  @Test func repositories() throws {
    let bench = try RepoBench(server, bucket: "volumes", prefix: "repository")
    let refused = try bench.drover(["init"])
    #expect(refused.status == 1 && refused.errorText.contains("certificate"))
    let trusted = ["RESTIC_CACERT": authority.certificatePath]
    try bench.droverChecked(["init"], trusted)
    try bench.droverChecked(["backup", bench.source, "--cacert", authority.certificatePath])
    let target = directory.path("restored")
    try bench.droverChecked(["restore", "latest", "--target", target], trusted)
    #expect(
      try RsyncJudge.differences(source: bench.source, destination: target + bench.source) == "")
    #expect(try bench.drover(["snapshots"], ["RESTIC_CACERT": other.certificatePath]).status != 0)
  }

  /// `customCA` of both movers, out of a Secret and out of a ConfigMap.
  @Test func movers() throws {
    let text = try authority.certificate().split(separator: "\n").joined(separator: "\n    ")
    let holders =
      "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca-map}\n"
      + "data:\n  ca.crt: |\n    \(text)\n"
      + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: ca-secret}\n"
      + "stringData:\n  ca.crt: |\n    \(text)\n"
    let (map, secret) = (
      "customCA: {configMapName: ca-map, key: ca.crt}",
      "customCA: {secretName: ca-secret, key: ca.crt}"
    )
    let bench = try RcloneBench(server, bucket: "volumes")
    try bench.write("\(bench.volume)/file", "content")
    let section = "rclone:\n"
    func trusting(_ manifest: String, _ line: String) -> String {
      manifest.replacing(section, with: "\(section)    \(line)\n")
    }
    let refused = try bench.run(bench.secret() + bench.source())
    #expect(refused.result.status != 0 && refused.log.contains("certificate"), "\(refused.log)")
    try bench.runChecked(
      holders + bench.secret() + trusting(bench.source(), map)
        + trusting(bench.destination(), secret))
    try bench.expectEqual()

    let mover = try MoverBench(try RepoBench(server, bucket: "volumes", prefix: "restic"))
    let keys =
      "AWS_ACCESS_KEY_ID: \(server.endpoint.accessKey)\n"
      + "  AWS_SECRET_ACCESS_KEY: \(server.endpoint.secretKey)"
    let place = "RESTIC_PASSWORD: '\(mover.repo.password)'"
    func complete(_ manifest: String) -> String {
      holders + manifest.replacing(place, with: "\(place)\n  \(keys)")
    }
    try mover.runChecked(complete(mover.source(", \(secret)")))
    try mover.runChecked(complete(mover.destination(", \(map)")))
    try mover.expectEqual(mover.restored)
  }
}
