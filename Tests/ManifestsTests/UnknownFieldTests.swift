import Manifests
import Platform
import Testing

/// Fields that no decoder knows: refused, told, or passed over.
@Suite struct UnknownFieldTests {
  private let text = replacing("copyMethod: Direct", "copyMethod: Direct\n    adress: host")

  private func load(_ rule: UnknownFields) throws -> ManifestSet {
    try ManifestLoader(unknownFields: rule).decode([("a.yaml", Array(text.utf8))])
  }

  private let message =
    #"a.yaml:11: ReplicationSource/data: spec.rsyncTLS.adress: unknown field "adress"; did you mean "address"?"#

  @Test func isRefusedUnlessItIsAskedOtherwise() throws {
    #expect(problems(of: text) == [message])
    #expect(throws: ManifestError.self) { try load(.refuse) }
  }

  @Test func isToldAndAccepted() throws {
    let set = try load(.warn)
    #expect(set.warnings.map(\.description) == [message])
    #expect(set.all(ReplicationSource.self).count == 1)
    // What is printed again keeps it.
    let document = set.objects.first?.document(status: [:]).yamlText
    #expect(document?.contains("adress: host") == true)
  }

  @Test func isPassedOver() throws {
    let set = try load(.ignore)
    #expect(set.warnings.isEmpty)
    #expect(set.all(ReplicationSource.self).count == 1)
  }

  @Test func otherMistakesAreRefusedAllTheSame() {
    let text = replacing("copyMethod: Direct", "copyMethod: Diect\n    adress: host")
    do {
      _ = try ManifestLoader(unknownFields: .ignore).decode([("a.yaml", Array(text.utf8))])
      Issue.record("accepted")
    } catch {
      #expect(error.problems.map(\.path) == ["spec.rsyncTLS.copyMethod"])
    }
  }
}
