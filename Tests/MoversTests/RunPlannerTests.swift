import Manifests
import Movers
import Platform
import TestSupport
import Testing

private let secret = "00112233445566778899aabbccddeeff"

/// One volume for all ends: planning looks at it and writes nothing.
struct PlanFiles {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  func destination(
    _ name: String = "d", namespace: String = "ns", annotations: String = "", spec: String = "",
    section: String = ""
  ) -> String {
    """
    ---
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationDestination
    metadata: {name: \(name), namespace: \(namespace), annotations: {\(annotations)}}
    spec:
      rsyncTLS: {copyMethod: Direct, destinationPVC: \(directory.path)\(section)}
      \(spec)

    """
  }

  func source(
    _ name: String = "s", namespace: String = "ns", annotations: String = "", spec: String = "",
    section: String = ""
  ) -> String {
    """
    ---
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationSource
    metadata: {name: \(name), namespace: \(namespace), annotations: {\(annotations)}}
    spec:
      sourcePVC: \(directory.path)
      rsyncTLS: {copyMethod: Direct\(section)}
      \(spec)

    """
  }

  func key(_ name: String, namespace: String = "ns", identity: String = "id") -> String {
    """
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: \(name), namespace: \(namespace)}
    stringData: {psk.txt: "\(identity):\(secret)"}

    """
  }

  func plan(_ text: String) throws -> RunPlan {
    let set = try ManifestLoader().decode([("p.yaml", Array(text.utf8))])
    return try RunPlanner(set, served: ["rsyncTLS"]).plan()
  }

  /// What stands against a run, without the places.
  func problems(_ text: String) throws -> [String] {
    do {
      _ = try plan(text)
      return []
    } catch let error as RunError {
      return error.problems.map { "\($0.object ?? ""): \($0.path): \($0.text)" }
    }
  }
}

@Suite struct RunPlannerTests {
  private let files: PlanFiles
  init() throws { files = try PlanFiles() }

  @Test func aPairOfOneFileSharesAFreshKeyAndTheLoopback() throws {
    let plan = try files.plan(files.destination() + files.source())
    let destination = try #require(plan.destinations.first)
    let source = try #require(plan.sources.first)
    #expect(destination.statusFields["keySecret"] == .string("volsync-rsync-tls-d"))
    #expect(KeyFile.problem(in: try #require(destination.job.rsyncTLS).key) == nil)
    #expect(source.job.rsyncTLS?.key == destination.job.rsyncTLS?.key)
    #expect(source.statusFields["keySecret"] == nil)
    #expect(source.peer == destination.key)
    #expect(destination.job.rsyncTLS?.host == "127.0.0.1")
    #expect(destination.job.rsyncTLS?.port == 0)
    #expect(destination.job.rsyncTLS?.excludes == ["lost+found", ".drover-copies"])
    #expect(plan.order == [destination.key, source.key])
  }

  @Test(arguments: [
    // annotation, section of the source, host, port, paired
    ("", "", "127.0.0.1", 0, true),
    ("", ", port: 9001", "127.0.0.1", 9001, true),
    ("", ", address: localhost", "localhost", 8000, true),
    ("", ", address: '::1', port: 9001", "::1", 9001, true),
    ("drover.internal/listen: '127.0.0.1:9000'", "", "127.0.0.1", 9000, true),
    ("drover.internal/listen: '[::]:9000'", "", "", 9000, true),
    ("drover.internal/listen: '[::]:9000'", ", address: 127.0.0.1, port: 9000", "", 9000, true),
    ("drover.internal/listen: '0.0.0.0:8000'", ", address: 127.0.0.1", "0.0.0.0", 8000, true),
    ("drover.internal/listen: '10.1.2.3:8000'", ", address: 10.1.2.3", "10.1.2.3", 8000, true),
    ("drover.internal/listen: '127.0.0.1:9000'", ", address: 127.0.0.1", "127.0.0.1", 9000, false),
    ("drover.internal/listen: '10.1.2.3:8000'", ", address: 127.0.0.1", "10.1.2.3", 8000, false),
    ("", ", address: far.example.com", "", 8000, false),
  ])
  func pairsByAddress(
    annotation: String, section: String, host: String, port: UInt16, paired: Bool
  ) throws {
    let plan = try files.plan(
      files.destination(annotations: annotation, section: ", keySecret: k")
        + files.source(section: section + ", keySecret: k") + files.key("k"))
    let destination = try #require(plan.destinations.first)
    #expect(destination.job.rsyncTLS?.host == host)
    #expect(destination.job.rsyncTLS?.port == port)
    #expect((plan.sources.first?.peer != nil) == paired)
  }

  @Test func aSourceFindsItsDestinationAmongSeveral() throws {
    let two = files.destination("a") + files.destination("b", namespace: "other")
    let byKey = files.source(
      "s", namespace: "third", section: ", keySecret: volsync-rsync-tls-b")
    let byName = files.source("a", namespace: "third")
    let plan = try files.plan(two + byKey + byName)
    let peers = Dictionary(uniqueKeysWithValues: plan.sources.map { ($0.key.name, $0.peer?.name) })
    #expect(peers == ["s": "b", "a": "a"])
    let keys = plan.destinations.map(\.job.rsyncTLS?.key)
    #expect(keys[0] != keys[1])
    #expect(plan.sources.map(\.job.rsyncTLS?.key) == [keys[1], keys[0]])
  }

  @Test(arguments: [true, false])
  func oneNamedKeyServesBothEnds(sourceNames: Bool) throws {
    let named = ", keySecret: k"
    let plan = try files.plan(
      files.destination(section: sourceNames ? "" : named)
        + files.source(section: sourceNames ? named : "") + files.key("k"))
    #expect(plan.destinations.first?.job.rsyncTLS?.key == Array("id:\(secret)".utf8))
    #expect(plan.sources.first?.job.rsyncTLS?.key == Array("id:\(secret)".utf8))
    #expect(plan.destinations.first?.statusFields["keySecret"] == nil)
  }

  @Test func aSecretUnderTheGeneratedNameIsUsedAgain() throws {
    let plan = try files.plan(files.destination() + files.key("volsync-rsync-tls-d"))
    #expect(plan.destinations.first?.job.rsyncTLS?.key == Array("id:\(secret)".utf8))
    #expect(plan.destinations.first?.statusFields["keySecret"] == nil)
  }

  @Test func theAnnotationAllowsAnEmptySource() throws {
    for (value, allowed) in [("'true'", true), ("'false'", false)] {
      let annotation = "drover.internal/allow-empty-source: \(value)"
      let plan = try files.plan(files.destination() + files.source(annotations: annotation))
      #expect(plan.sources.first?.job.rsyncTLS?.allowEmptySource == allowed)
    }
  }

  @Test func pausedEndsAreLeftOut() throws {
    let plan = try files.plan(files.destination(spec: "paused: true") + files.source())
    #expect(plan.destinations.isEmpty)
    #expect(plan.sources.isEmpty)
    #expect(plan.skipped.map(\.key.name) == ["d", "s"])
  }

  @Test func externalIsAnotherOperatorsWork() throws {
    let text = """
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationSource
      metadata: {name: s}
      spec: {external: {provider: other/one, parameters: {a: b}}}
      """
    let plan = try files.plan(text)
    #expect(plan.order.isEmpty)
  }

  @Test func refusesWhatCannotRun() throws {
    let key = files.key("k")
    let named = ", keySecret: k"
    let cases: [(String, String)] = [
      (files.source(), "spec.rsyncTLS.address: is required: no ReplicationDestination"),
      (
        files.destination("a") + files.destination("b") + files.source("c"),
        "spec.rsyncTLS.address: is required: several ReplicationDestinations"
      ),
      (
        files.destination() + files.source("a") + files.source("b"),
        "a destination takes one source"
      ),
      (files.destination(), "ReplicationDestination/d: spec.rsyncTLS.keySecret: is required here"),
      (
        files.source(section: ", address: far.example.com"),
        "ReplicationSource/s: spec.rsyncTLS.keySecret: is required here"
      ),
      (
        files.destination(section: named + ", volumeMode: Block") + key,
        "spec.rsyncTLS.volumeMode: is Block, but"
      ),
      (files.key("k"), "there is no ReplicationSource or ReplicationDestination"),
      (
        files.source(annotations: "drover.internal/guard: x", section: ", address: a") + key,
        "is neither on nor off"
      ),
    ]
    for (text, expected) in cases {
      let found: [String]
      do {
        found = try files.problems(text)
      } catch let error as ManifestError {
        found = error.problems.map(\.description)
      }
      #expect(found.contains { $0.contains(expected) }, "\(found)")
    }
  }

  @Test func aMissingVolumeIsNoUsageError() throws {
    let gone = (files.source() + files.destination()).replacing(files.directory.path, with: "/gone")
    let set = try ManifestLoader().decode([("p.yaml", Array(gone.utf8))])
    #expect {
      try RunPlanner(set, served: ["rsyncTLS"]).plan()
    } throws: { error in
      guard let error = error as? RunError else { return false }
      return error.kind == .notFound && error.problems.count == 2
    }
  }

  @Test func aSectionNobodyServesIsSaidToBeSo() throws {
    let text = """
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationSource
      metadata: {name: s}
      spec:
        sourcePVC: /
        rsync: {address: a.example, copyMethod: Direct}
      """
    let found = try files.problems(text + "\n" + files.key("k", namespace: "default"))
    #expect(
      found == [
        "ReplicationSource/s: spec.rsync: this mover is not served yet: only rsyncTLS is"
      ])
  }
}
