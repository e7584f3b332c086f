import Manifests
import Platform
import Testing

/// Problems of one file, as people see them.
func problems(of text: String, file: String = "a.yaml") -> [String] {
  do {
    let set = try ManifestLoader().decode([(file, Array(text.utf8))])
    let list = ProblemList()
    ReferenceCheck(set, problems: list).checkAll()
    return list.problems.map(\.description)
  } catch {
    return error.problems.map(\.description)
  }
}

let source = """
  apiVersion: volsync.backube/v1alpha1
  kind: ReplicationSource
  metadata:
    name: data
  spec:
    sourcePVC: /srv/data
    trigger:
      manual: once
    rsyncTLS:
      copyMethod: Direct

  """

func replacing(_ old: String, _ new: String) -> String {
  let parts = source.split(separator: old, maxSplits: 1, omittingEmptySubsequences: false)
  return parts.map { String($0) }.joined(separator: new)
}

@Suite struct DecodingTests {
  @Test func acceptsACompleteSource() {
    #expect(problems(of: source).isEmpty)
  }

  @Test(arguments: [
    (
      "copyMethod: Direct", "copyMetod: Direct",
      [
        #"a.yaml:10: ReplicationSource/data: spec.rsyncTLS.copyMethod: unsupported "#
          + #"copyMethod:  -- must be Direct, None, Clone, or Snapshot"#,
        #"a.yaml:10: ReplicationSource/data: spec.rsyncTLS.copyMetod: unknown field "#
          + #""copyMetod"; did you mean "copyMethod"?"#,
      ]
    ),
    (
      "copyMethod: Direct", "copyMethod: direct",
      [
        #"a.yaml:10: ReplicationSource/data: spec.rsyncTLS.copyMethod: unsupported "#
          + #"copyMethod: direct -- must be Direct, None, Clone, or Snapshot; did you mean "#
          + #""Direct"?"#
      ]
    ),
    (
      "manual: once", #"schedule: "3 * * * * *""#,
      [
        #"a.yaml:8: ReplicationSource/data: spec.trigger.schedule: "3 * * * * *" has six "#
          + #"fields: a schedule has five (minute, hour, day of month, month, day of week) "#
          + #"and no seconds; write for instance "3 * * * *""#
      ]
    ),
    (
      "copyMethod: Direct", "copyMethod: Direct\n    port: 70000",
      [
        "a.yaml:11: ReplicationSource/data: spec.rsyncTLS.port: must be between 0 and "
          + "65535, not 70000"
      ]
    ),
    (
      "manual: once", "manual: 1",
      [
        "a.yaml:8: ReplicationSource/data: spec.trigger.manual: must be a string, not a "
          + "number: write it in quotes"
      ]
    ),
    (
      "kind: ReplicationSource", "kind: ReplicationSorce",
      [
        #"a.yaml:2: ReplicationSorce/data: kind: no kind "ReplicationSorce" is known "#
          + #"here; did you mean "ReplicationSource"?"#
      ]
    ),
    (
      "name: data", "name: data\n  labls: {}",
      [
        #"a.yaml:5: ReplicationSource/data: metadata.labls: unknown field "labls"; did "#
          + #"you mean "labels"?"#
      ]
    ),
    (
      "sourcePVC: /srv/data", "sourcePVC: /srv/data\n  sourcePVC: /srv/other",
      [
        "a.yaml:7: ReplicationSource/data: spec.sourcePVC: the key stands twice, first in line 6"
      ]
    ),
    (
      "sourcePVC: /srv/data", "sourcePVC: claim",
      [
        #"a.yaml:6: ReplicationSource/data: spec.sourcePVC: no PersistentVolumeClaim "#
          + #""claim" in namespace "default" in the given files"#
      ]
    ),
    (
      "rsyncTLS:", "restic: {repository: r, copyMethod: Direct}\n  rsyncTLS:",
      [
        "a.yaml:6: ReplicationSource/data: spec: only one replication method can be "
          + "supplied: found rsyncTLS and restic"
      ]
    ),
    (
      "name: data", "name: data\n  annotations: {drover.internal/listn: x}",
      [
        #"a.yaml:5: ReplicationSource/data: metadata.annotations.drover.internal/listn: "#
          + #"unknown annotation; did you mean "drover.internal/listen"?"#
      ]
    ),
  ])
  func namesWhatIsWrong(old: String, new: String, expected: [String]) {
    #expect(problems(of: replacing(old, new)) == expected)
  }

  @Test func collectsEveryProblemOfEveryFile() throws {
    let first = replacing("copyMethod: Direct", "copyMethod: Sideways")
    let second = "kind: Secret\nmetadata: {name: X}\ndata: {a: '%'}\n"
    do {
      _ = try ManifestLoader().decode([
        ("a.yaml", Array(first.utf8)), ("b.yaml", Array(second.utf8)),
        ("c.yaml", Array("a: [".utf8)),
      ])
      Issue.record("nothing was found wrong")
    } catch {
      let lines = error.problems.map { "\($0.mark.file) \($0.path)" }
      #expect(
        lines == [
          "a.yaml spec.rsyncTLS.copyMethod", "b.yaml apiVersion", "b.yaml metadata.name",
          "b.yaml data.a", "c.yaml ",
        ])
      #expect(error.kind == .usage)
    }
  }

  @Test func namesAreLookedUpEvenWhenSomethingElseIsWrong() {
    let claim = """
      ---
      apiVersion: v1
      kind: PersistentVolumeClaim
      metadata: {name: claim}
      spec: {volumeName: gone, acessModes: []}
      ---
      apiVersion: v1
      kind: PersistentVolumeClaim
      metadata: {name: other}
      spec: {volumeName: gone}

      """
    // The claim that could not be decoded is there all the same.
    let found = problems(of: replacing("sourcePVC: /srv/data", "sourcePVC: claim") + claim)
    #expect(found.count == 2)
    #expect(found.first?.contains("did you mean \"accessModes\"?") == true)
    #expect(
      found.last == #"a.yaml:20: PersistentVolumeClaim/other: spec.volumeName: "#
        + #"no PersistentVolume "gone" in the given files"#)
  }

  @Test func toleratesWhatTheServerAdds() {
    let server = """
      name: data
        uid: 1f2e
        resourceVersion: "12"
        generation: 1
        creationTimestamp: "2026-07-02T10:00:00Z"
        managedFields: [{manager: kubectl}]
        ownerReferences: [{kind: X, name: y}]
      """
    #expect(problems(of: replacing("name: data", server) + "status: {anything: [1]}\n").isEmpty)
  }

  @Test func decodesItemsOfAList() throws {
    let item = source.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n")
    let list = "apiVersion: v1\nkind: List\nitems:\n  - \(item.dropFirst(4))\n"
    let set = try ManifestLoader().decode([("l.yaml", Array(list.utf8))])
    #expect(set.all(ReplicationSource.self).map(\.metadata.name) == ["data"])
  }

  @Test func refusesTheSameObjectTwice() {
    let text = source + "---\n" + source
    #expect(
      problems(of: text)
        == ["a.yaml:12: ReplicationSource/data: the object stands twice, first in a.yaml:1"])
  }

  @Test func destinationNeedsRoomOrAClaim() {
    let text = """
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationDestination
      metadata: {name: d}
      spec: {rsyncTLS: {copyMethod: Clone}}
      """
    let paths = problems(of: text)
    #expect(paths.count == 3)
    #expect(paths.contains { $0.contains("capacity must be provided when destinationPVC is not") })
    #expect(
      paths.contains {
        $0.contains("unsupported copyMethod: Clone -- must be Direct, None, or Snapshot")
      })
  }
}
