import Manifests
import Platform
import Testing

/// The table behind `drover explain` says neither more nor less than the decoders know.
@Suite struct ExplainTests {
  /// A document with every field of the table, so that a decoder comes by all of its fields.
  private static func document(of kind: KindDocumentation) -> JSONValue {
    object(kind.fields.filter { $0.name != "status" })
  }

  private static func object(_ fields: [FieldDocumentation]) -> JSONValue {
    var object = JSONObject()
    for field in fields { object[field.name] = sample(of: field) }
    return .object(object)
  }

  private static func sample(of field: FieldDocumentation) -> JSONValue {
    switch field.type {
    case .string, .quantity: .string("1")
    case .duration: .string("1m")
    case .time: .string("2026-07-02T10:00:00Z")
    case .integer: .integer(1)
    case .boolean: .bool(true)
    case .strings: .array([.string("a")])
    case .integers: .array([.integer(1)])
    case .stringMap: .object([:])
    case .word(let words): .string(words.last ?? "")
    case .words(let words): .array([.string(words.last ?? "")])
    case .object: object(field.children)
    case .objects: .array([object(field.children)])
    }
  }

  @Test(arguments: KindRegistry.standard.all.map { $0.uniqueKind })
  func everyFieldOfTheDecoderIsExplainedAndTheReverse(uniqueKind: String) throws {
    let type = try #require(KindRegistry.standard[uniqueKind])
    let kind = try #require(KindTables.documentation(of: type))
    var text = Self.document(of: kind)
    // Which name it has does not matter; that it has one does.
    if var fields = text.objectValue, var metadata = fields["metadata"]?.objectValue {
      metadata["name"] = .string("a")
      metadata["namespace"] = .string("b")
      fields["metadata"] = .object(metadata)
      text = .object(fields)
    }
    let content = Array(text.yamlText.utf8)
    let (known, unknown) = try FieldSurvey.fields(of: content)
    #expect(unknown == [], "explained, but no decoder knows them")
    let explained = Set(kind.paths.filter { $0 != "status" && !$0.hasPrefix("status.") })
    #expect(known.subtracting(explained) == [], "known, but not explained")
    #expect(explained.subtracting(known) == [], "explained, but never asked for")
  }

  @Test func everyKindIsExplainedOnce() {
    let explained = KindTables.all.map { $0.type.uniqueKind }
    #expect(Set(explained) == Set(KindRegistry.standard.all.map { $0.uniqueKind }))
    #expect(Set(explained).count == explained.count)
  }

  @Test func everyAnnotationIsExplained() {
    for annotation in Annotation.allCases {
      #expect(KindTables.annotations[annotation] != nil, "\(annotation.name)")
    }
  }

  @Test func noFieldStandsTwiceAndEachHasAText() {
    func check(_ fields: [FieldDocumentation], _ path: String) {
      #expect(Set(fields.map(\.name)).count == fields.count, "\(path)")
      for field in fields {
        #expect(field.text.hasSuffix("."), "\(path).\(field.name)")
        check(field.children, "\(path).\(field.name)")
      }
    }
    for kind in KindTables.all { check(kind.fields, kind.type.uniqueKind) }
  }

  @Test func aFieldIsExplainedAsKubectlDoes() throws {
    let text = try Explainer().text(of: "rs.spec.trigger.schedule")
    #expect(
      text == """
        GROUP:      volsync.backube
        KIND:       ReplicationSource
        VERSION:    v1alpha1

        FIELD:      schedule <string>

        DROVER:
            improved: what is wrong is told before the first run; CRON_TZ= and the annotation
            time-zone name a zone, and the clock's changes lose no run

        DESCRIPTION:
            Five cron fields (minute, hour, day of month, month, day of week), or a nickname
            such as @daily.

        """)
  }

  @Test func wordsOfAFieldAreListed() throws {
    let text = try Explainer().text(of: "replicationdestination.spec.restic.copyMethod")
    #expect(text.contains("ENUM:\n    Direct\n    None\n    Snapshot\n"))
    #expect(!text.contains("Clone"))
  }

  @Test func allFieldsBelowAreListedWhenAsked() throws {
    let text = try Explainer().text(of: "Secret", isRecursive: true)
    #expect(
      text.contains("\n  metadata\t<Object> -required- [honoured]\n    name\t<string> -required-"))
    #expect(text.contains("\n  stringData\t<map[string]string> [honoured]\n"))
  }

  @Test func kindsOfOneNameAreToldApart() throws {
    #expect(try Explainer().text(of: "restore.velero.io").contains("GROUP:      velero.io"))
    let hub = try Explainer().text(
      of: "restore.spec.cleanupBeforeRestore",
      apiVersion: "cluster.open-cluster-management.io/v1beta1")
    #expect(hub.contains("ENUM:\n    None\n    CleanupRestored\n    CleanupAll\n"))
    #expect(hub.contains("DROVER:\n    not served yet\n"))
    #expect(try Explainer().text(of: "crst").contains("not served yet: objects are checked"))
  }

  @Test(arguments: [
    ("restore", "\"restore\" is a kind of several groups", "--api-version"),
    ("podss", "no kind \"podss\" is known here", "drover explain"),
    ("replicationsorce.spec", "no kind \"replicationsorce\"", "\"replicationsource\""),
    (
      "rs.spec.rsyncTLS.adress", "replicationsource.spec.rsyncTLS has no field \"adress\"",
      "\"address\""
    ),
    (
      "rs.spec.zzzzzz", "replicationsource.spec has no field",
      "drover explain replicationsource.spec"
    ),
    ("rs..spec", "replicationsource has no field \"\"", "drover explain replicationsource"),
    ("", "no kind \"\" is known here", "lists the kinds"),
  ])
  func whatIsNotThereIsTold(path: String, message: String, hint: String) {
    do {
      _ = try Explainer().text(of: path)
      Issue.record("explained")
    } catch {
      #expect(error.message.contains(message))
      #expect(error.hint?.contains(hint) == true, "\(error.hint ?? "")")
      #expect(error.kind == .usage)
    }
  }
}
