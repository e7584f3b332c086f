import Manifests
import Platform
import TestSupport
import Testing

@testable import StateStore

@Suite("Requests to the state")
struct StateServiceTests {
  private func failure(_ answer: StateAnswer) -> String {
    if case .failure(_, let message, _) = answer { return message }
    return "no failure: \(answer)"
  }

  @Test("All is checked before anything is stored, and the refusal names file, line and field")
  func allOrNothing() throws {
    let fixture = try StateFixture()
    let directory = try fixture.open()
    let service = StateService(directory)
    let answer = service.answer(
      .apply(
        [
          fixture.file("a.yaml", Samples.secret),
          fixture.file(
            "b.yaml", Samples.source().replacing("keySecret: key", with: "keySecret: kex")),
        ], namespace: "default"))
    #expect(
      failure(answer).hasPrefix(
        "b.yaml:11: ReplicationSource/data: spec.rsyncTLS.keySecret: no Secret \"kex\""),
      "\(failure(answer))")
    #expect(try directory.load().set.objects.isEmpty)
  }

  @Test("What stands in the directory already can be referred to")
  func refersToStored() throws {
    let fixture = try StateFixture()
    let service = StateService(try fixture.filled())
    let answer = service.answer(
      .apply([fixture.file("c.yaml", Samples.source("more"))], namespace: "default"))
    let key = ObjectKey(kind: "ReplicationSource", namespace: "default", name: "more")
    #expect(answer == .changes([ObjectChange(key, .created)]))
    // In another namespace the Secret is missing.
    let elsewhere = service.answer(
      .apply([fixture.file("c.yaml", Samples.source("more"))], namespace: "team"))
    #expect(failure(elsewhere).contains("no Secret \"key\" in namespace \"team\""))
  }

  @Test("A namespace given beside is that of objects which name none")
  func namespace() throws {
    let fixture = try StateFixture()
    let service = StateService(try fixture.open())
    let text = Samples.secret + "---\n" + Samples.source()
    _ = service.answer(.apply([fixture.file("c.yaml", text)], namespace: "team"))
    #expect(fixture.exists("team/replicationsource/data.yaml"))
    guard case .list(let list) = service.answer(.list(kind: "Secret", namespace: "team")) else {
      Issue.record("no list")
      return
    }
    #expect(list.objects.map(\.key.namespace) == ["team"])
    guard case .list(let none) = service.answer(.list(kind: nil, namespace: "default")) else {
      Issue.record("no list")
      return
    }
    #expect(none.objects.isEmpty)
  }

  @Test("A further check stands against what is given, not against what is there")
  func furtherCheck() throws {
    let fixture = try StateFixture()
    let directory = try fixture.filled()
    let service = StateService(directory) { set in
      set.objects.map { Problem($0.mark, object: $0.key.name, "is not liked") }
    }
    let answer = service.answer(
      .apply([fixture.file("c.yaml", Samples.source("more"))], namespace: "default"))
    #expect(failure(answer) == "c.yaml:2: more: is not liked")
  }

  @Test("Pause and resume change one line, and comments stay")
  func pause() throws {
    let fixture = try StateFixture()
    let service = StateService(try fixture.filled())
    let name = "default/replicationsource/data.yaml"
    #expect(
      service.answer(.pause(Samples.sourceKey, isPaused: true))
        == .changes([ObjectChange(Samples.sourceKey, .patched)]))
    #expect(
      try fixture.text(name)
        == Samples.source().replacing("spec:\n", with: "spec:\n  paused: true\n"))
    #expect(
      service.answer(.pause(Samples.sourceKey, isPaused: true))
        == .changes([ObjectChange(Samples.sourceKey, .unchanged)]))
    _ = service.answer(.pause(Samples.sourceKey, isPaused: false))
    #expect(try fixture.text(name) == Samples.source())
  }

  @Test("A trigger leaves a schedule in force, and changes a manual tag")
  func trigger() throws {
    let fixture = try StateFixture()
    let directory = try fixture.filled()
    let service = StateService(directory)
    _ = service.answer(.trigger(Samples.sourceKey, tag: "now"))
    #expect(try directory.object(Samples.sourceKey)?.own.requestedRun == "now")
    #expect(
      try fixture.text("default/replicationsource/data.yaml") == Samples.source())
    let manual = Samples.source("by-hand", trigger: "manual: one # first")
    _ = service.answer(.apply([fixture.file("m", manual)], namespace: "default"))
    let key = ObjectKey(kind: "ReplicationSource", namespace: "default", name: "by-hand")
    _ = service.answer(.trigger(key, tag: "two: #2"))
    #expect(
      try fixture.text("default/replicationsource/by-hand.yaml")
        == manual.replacing("manual: one", with: "manual: \"two: #2\""))
    _ = service.answer(.pause(key, isPaused: true))
    #expect(failure(service.answer(.trigger(key, tag: "three"))).contains("is paused"))
    #expect(failure(service.answer(.trigger(key, tag: "a\nb"))).contains("a tag is a line"))
    #expect(failure(service.answer(.trigger(Samples.secretKey, tag: "x"))).contains("does not run"))
  }

  @Test("What is not there is told in kubectl's words")
  func notFound() throws {
    let fixture = try StateFixture()
    let service = StateService(try fixture.filled())
    let key = ObjectKey(kind: "ReplicationSource", namespace: "default", name: "none")
    let text = "replicationsources.volsync.backube \"none\" not found"
    for request: StateRequest in [
      .get(key), .delete([key]), .pause(key, isPaused: true), .trigger(key, tag: "x"),
      .events(key), .runs(key, countMax: 1), .log(key, sizeBytesMax: 1),
    ] {
      #expect(failure(service.answer(request)) == text)
    }
  }

  @Test("Every request and answer survives the way over the socket")
  func roundTrip() throws {
    let key = Samples.sourceKey
    let requests: [StateRequest] = [
      .list(kind: nil, namespace: nil), .list(kind: "Secret", namespace: "a"), .get(key),
      .apply([ManifestFile(name: "f", text: Array("a: \"ä\"\n".utf8))], namespace: "n"),
      .delete([key, Samples.secretKey]), .pause(key, isPaused: false), .trigger(key, tag: "t"),
      .events(key), .runs(key, countMax: 3), .log(key, sizeBytesMax: 9),
      .watch(kind: "Secret", namespace: nil),
    ]
    for request in requests { #expect(try StateRequest(request.document) == request) }
    let object = StoredObject(key: key, document: ["kind": .string("ReplicationSource")])
    var list = ObjectList()
    list.objects = [object]
    list.problems = [
      Problem(Mark(file: "f", line: 2, column: 3), object: "o", path: "p", "t", suggestion: "s")
    ]
    let time = WallTime(seconds: 5)
    let answers: [StateAnswer] = [
      .list(list), .changes([ObjectChange(key, .configured)]), .log("text\n"), .watching,
      .events([EventRecord(.normal, "R", "m", at: time)]),
      .runs([RunRecord(mover: "m", cause: "c", started: time, ended: time, outcome: .missed)]),
      .notice(ObjectNotice(.deleted, object)),
      .failure(kind: .refused, message: "m", hint: "h"),
    ]
    for answer in answers { #expect(try StateAnswer(answer.document) == answer) }
  }

  @Test(
    "Kinds are called as kubectl calls them",
    arguments: [
      ("rs", "ReplicationSource"), ("ReplicationSources", "ReplicationSource"),
      ("replicationsource.volsync.backube", "ReplicationSource"), ("pvc", "PersistentVolumeClaim"),
      ("storageclasses", "StorageClass"), ("secret", "Secret"), ("cm", "ConfigMap"),
    ])
  func kindNames(word: String, kind: String) {
    #expect(KindRegistry.standard.type(called: word)?.kind == kind)
    #expect(KindRegistry.standard.type(called: word + "x") == nil)
  }
}
