import Manifests
import Platform
import TestSupport
import Testing

@testable import Movers

/// Section `rsync`: pairs, keys, addresses.
@Suite struct RsyncSSHPlannerTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func destination(_ name: String = "d", section: String = "", annotations: String = "")
    -> String
  {
    """
    ---
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationDestination
    metadata: {name: \(name), annotations: {\(annotations)}}
    spec: {rsync: {copyMethod: Direct, destinationPVC: \(directory.path)\(section)}}

    """
  }

  private func source(_ name: String = "s", section: String = "") -> String {
    """
    ---
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationSource
    metadata: {name: \(name)}
    spec: {sourcePVC: \(directory.path), rsync: {copyMethod: Direct\(section)}}

    """
  }

  /// A Secret whose values say what they are.
  private func secret(_ name: String, _ fields: [String] = SSHKeys.all) -> String {
    let data = fields.map { "\($0): '\(name)/\($0)'" }.joined(separator: ", ")
    return """
      ---
      apiVersion: v1
      kind: Secret
      metadata: {name: \(name)}
      stringData: {\(data)}

      """
  }

  private func plan(_ text: String, keys: KeyGeneration = .forPairs) throws -> RunPlan {
    let set = try ManifestLoader().decode([("p.yaml", Array(text.utf8))])
    return try RunPlanner(set, served: ["rsync"], keys: keys).plan()
  }

  private func problems(_ text: String) throws -> [String] {
    do {
      _ = try plan(text)
      return []
    } catch let error as RunError {
      return error.problems.map(\.description)
    }
  }

  @Test func eachEndGetsItsOwnKeyAndThePublicOneOfTheOther() throws {
    let section = ", sshKeys: k, sshUser: mover"
    let plan = try plan(
      secret("k") + destination(section: section) + source(section: section + ", address: '::1'"))
    let receive = try #require(plan.destinations.first?.job.rsync)
    #expect(receive.key == Array("k/destination".utf8))
    #expect(receive.peerKey == Array("k/source.pub".utf8))
    #expect((receive.host, receive.port, receive.user) == ("::1", 22, "mover"))
    let send = try #require(plan.sources.first?.job.rsync)
    #expect(send.key == Array("k/source".utf8))
    #expect(send.peerKey == Array("k/destination.pub".utf8))
    #expect(send.excludes == ["lost+found", ".drover-copies"])
    #expect(plan.sources.first?.peer == plan.destinations.first?.key)
    #expect(plan.generatedSecrets.isEmpty)
    for job in [receive, send] { #expect(try RsyncSSHJob(job.document) == job) }
  }

  @Test func secretsUnderTheNamesOfVolSyncAreFound() throws {
    let plan = try plan(
      secret("volsync-rsync-dst-dest-d", SSHKeys.destinationFields)
        + destination(section: ", port: 2222"))
    let job = try #require(plan.destinations.first?.job.rsync)
    #expect(job.key == Array("volsync-rsync-dst-dest-d/destination".utf8))
    #expect((job.host, job.port, job.user) == ("", 2222, "root"))
  }

  @Test func anAnnotationSaysWhereToListen() throws {
    let plan = try plan(
      secret("k")
        + destination(
          section: ", sshKeys: k", annotations: "drover.internal/listen: '*:2022'")
        + source(section: ", sshKeys: k, address: localhost, port: 2022"))
    let job = try #require(plan.destinations.first?.job.rsync)
    #expect((job.host, job.port) == ("", 2022))
    #expect(plan.sources.first?.peer == plan.destinations.first?.key)
  }

  @Test func whatIsKeptIsMadeOfVolSyncsThreeSecrets() throws {
    let plan = try plan(destination(section: ", port: 2022"), keys: .always)
    let names = plan.generatedSecrets.map(\.key.name)
    #expect(
      names == ["volsync-rsync-dst-main-d", "volsync-rsync-dst-src-d", "volsync-rsync-dst-dest-d"])
    let source = plan.generatedSecrets[1].data
    #expect(source.keys.sorted() == SSHKeys.sourceFields.sorted())
    let job = try #require(plan.destinations.first?.job.rsync)
    #expect(source["source.pub"] == job.peerKey)
    #expect(plan.destinations.first?.statusFields["sshKeys"]?.stringValue == names[1])
    // The next time they are there.
    let stored = plan.generatedSecrets.map { String(decoding: $0.text, as: UTF8.self) }
    let again = try self.plan(
      stored.map { "---\n\($0)" }.joined() + destination(section: ", port: 2022"), keys: .always)
    #expect(again.generatedSecrets.isEmpty)
    #expect(again.destinations.first?.job.rsync == job)
    #expect(again.destinations.first?.statusFields["sshKeys"]?.stringValue == names[1])
  }

  @Test func whatStandsAgainstARunIsNamed() throws {
    #expect(
      try problems(source()).first?.contains(
        "spec.rsync.address: is required: no ReplicationDestination") == true)
    let two = destination("a", section: ", sshKeys: k") + destination("b", section: ", sshKeys: k")
    #expect(
      try problems(secret("k") + two + source()).first?.contains(
        "is required: several ReplicationDestinations") == true)
    #expect(
      try problems(destination()).first?.contains(
        "spec.rsync.sshKeys: is required here: the other end is not among the given files") == true)
    #expect(
      try problems(source(section: ", address: a.example")).first?.contains(
        "name a Secret with source, source.pub, destination.pub") == true)
    let lacking = try problems(
      secret("k", ["source"]) + source(section: ", sshKeys: k, address: a.example"))
    #expect(lacking.contains { $0.contains("the Secret \"k\" has no source.pub") })
    let taken = try problems(
      secret("k") + destination(section: ", sshKeys: k") + source("s", section: ", sshKeys: k")
        + source("t", section: ", sshKeys: k"))
    #expect(taken.contains { $0.contains("a destination takes one source") })
  }
}

extension SSHKeys {
  fileprivate static let all = ["source", "source.pub", "destination", "destination.pub"]
}
