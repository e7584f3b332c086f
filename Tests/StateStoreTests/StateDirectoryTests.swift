import Glibc
import Manifests
import Platform
import TestSupport
import Testing

@testable import StateStore

@Suite("State directory")
struct StateDirectoryTests {
  private let place = "default/replicationsource/data"

  @Test("An object's file is the user's text, what is Drover's stands beside it")
  func stores() throws {
    let fixture = try StateFixture()
    let directory = try fixture.filled()
    #expect(try fixture.text("\(place).yaml") == Samples.source())
    #expect(try fixture.text("default/secret/key.yaml") == Samples.secret)
    #expect(fixture.mode("") == 0o700)
    #expect(fixture.mode("default/secret/key.yaml") == 0o600)
    let contents = try directory.load()
    #expect(contents.problems.isEmpty)
    let document = try #require(contents.document(Samples.sourceKey))
    let metadata = try #require(document["metadata"]?.objectValue)
    #expect(metadata["generation"] == .integer(1))
    #expect(metadata["creationTimestamp"] == .string("2026-07-02T10:00:00Z"))
    #expect(metadata["uid"]?.stringValue?.count == 36)
    #expect(metadata["namespace"] == .string("default"))
    #expect(!(try fixture.text("\(place).yaml")).contains("uid"))
  }

  @Test("Own records come back after a restart; a changed spec is another generation")
  func restarts() throws {
    let fixture = try StateFixture()
    var uid: String?
    do {
      let directory = try fixture.filled()
      uid = try directory.object(Samples.sourceKey)?.own.uid
      try directory.update(Samples.sourceKey) { $0.status["lastManualSync"] = .string("a") }
    }
    try fixture.write(
      "\(place).yaml", Samples.source().replacing("0 * * * *", with: "5 * * * *"))
    let own = try #require(try fixture.open().object(Samples.sourceKey)).own
    #expect(own.uid == uid)
    #expect(own.generation == 2)
    #expect(own.status["lastManualSync"] == .string("a"))
  }

  @Test("Put says created, configured, unchanged")
  func outcomes() throws {
    let fixture = try StateFixture()
    let service = StateService(try fixture.filled())
    func apply(_ text: String) -> [ChangeOutcome] {
      guard
        case .changes(let changes) = service.answer(
          .apply([fixture.file("f", text)], namespace: "default"))
      else { return [] }
      return changes.map(\.outcome)
    }
    #expect(apply(Samples.source()) == [.unchanged])
    // Another order and no comments say the same.
    #expect(apply(Samples.source().replacing("# The shop's data.\n", with: "")) == [.unchanged])
    #expect(apply(Samples.source().replacing("0 * *", with: "1 * *")) == [.configured])
    #expect(apply(Samples.source("more")) == [.created])
  }

  @Test("What a server adds, and status, never comes into the user's file")
  func strips() throws {
    let fixture = try StateFixture()
    let directory = try fixture.filled()
    let printed = try #require(try directory.load().document(Samples.sourceKey))
    let text = JSONValue.object(printed).yamlText + "status:\n  lastManualSync: x\n"
    let answer = StateService(directory).answer(
      .apply([fixture.file("f", text)], namespace: "default"))
    #expect(answer == .changes([ObjectChange(Samples.sourceKey, .unchanged)]))
    #expect(try directory.object(Samples.sourceKey)?.own.status.members.isEmpty == true)
  }

  @Test(
    "One file that is wrong hides no other",
    arguments: [
      ("not: [yaml", "default/replicationsource/data.yaml"),
      (Samples.source("other"), "holds ReplicationSource default/other, but stands in place of"),
      (Samples.source() + "---\n" + Samples.source("b"), "holds 2 objects"),
      ("# nothing\n", "holds no object"),
      (Samples.source().replacing("sourcePVC", with: "sourcePVX"), "did you mean \"sourcePVC\""),
    ])
  func broken(text: String, expected: String) throws {
    let fixture = try StateFixture()
    let directory = try fixture.filled()
    try fixture.write("\(place).yaml", text)
    let contents = try directory.load()
    #expect(contents.set.objects.map(\.key) == [Samples.secretKey])
    let problems = try #require(contents.problems[Samples.sourceKey])
    #expect(problems.contains { $0.description.contains(expected) }, "\(problems)")
    #expect(throws: StateError.self) { try directory.object(Samples.sourceKey) }
  }

  @Test(
    "A file out of place is told, and of no effect",
    arguments: [
      "default/replicationsource/UPPER.yaml", "default/replicationsource/a..status.yaml",
      "default/replicationsource/-.yaml",
    ])
  func outOfPlace(name: String) throws {
    let fixture = try StateFixture()
    let directory = try fixture.filled()
    try fixture.write(name, Samples.source())
    let contents = try directory.load()
    #expect(contents.set.objects.count == 2)
    #expect(contents.problems.count == (name.hasSuffix(".status.yaml") ? 0 : 1))
  }

  @Test(
    "A damaged status is set aside and told; the last run is taken from the history",
    arguments: [
      "", "{", "uid: 3\n", "\u{0}\u{0}\u{0}", "status: {}\n",
    ])
  func damagedStatus(text: String) throws {
    let fixture = try StateFixture()
    do {
      let directory = try fixture.filled()
      var run = RunRecord(
        mover: "rsyncTLS", cause: "schedule", started: WallTime(seconds: 1_782_980_000),
        ended: WallTime(seconds: 1_782_980_100), outcome: .successful)
      try directory.add(run, of: Samples.sourceKey)
      run.outcome = .failed
      run.ended.seconds += 50
      try directory.add(run, of: Samples.sourceKey)
    }
    try fixture.write("\(place).status.yaml", text)
    let directory = try fixture.open()
    let own = try #require(try directory.object(Samples.sourceKey)).own
    #expect(own.status["lastSyncTime"] == .string("2026-07-02T08:15:00Z"))
    #expect(own.generation == 1)
    #expect(fixture.exists("\(place).status.yaml.damaged"))
    let events = try directory.events(of: Samples.sourceKey)
    #expect(events.map(\.reason) == ["StatusDamaged"])
    #expect(events.first?.severity == .warning)
  }

  @Test(
    "Names never become paths elsewhere",
    arguments: [
      "../escape", "..", "a/b", "", ".", "/etc/passwd", "A", "a\u{0}b", "x.status",
      String(repeating: "n", count: 241),
    ])
  func badNames(name: String) throws {
    let fixture = try StateFixture()
    let directory = try fixture.open()
    for key in [
      ObjectKey(kind: "Secret", namespace: "default", name: name),
      ObjectKey(kind: "Secret", namespace: name + "/", name: "a"),
      ObjectKey(kind: "../" + name, namespace: "default", name: "a"),
    ] {
      #expect(throws: StateError.self) { try directory.object(key) }
      #expect(throws: StateError.self) { try directory.remove(key) }
      #expect(throws: StateError.self) { try directory.runs(of: key) }
      guard case .failure = StateService(directory).answer(.delete([key])) else {
        Issue.record("\(key) was taken")
        continue
      }
    }
  }

  @Test("Deleting takes everything of an object, and nothing else")
  func deletes() throws {
    let fixture = try StateFixture()
    let directory = try fixture.filled()
    try directory.append(log: Array("line\n".utf8), of: Samples.sourceKey)
    #expect(try directory.remove(Samples.sourceKey))
    #expect(!(try directory.remove(Samples.sourceKey)))
    #expect(
      try DurableFile.names(in: "\(fixture.path)/default/replicationsource", countMax: 9) == [])
    #expect(try directory.load().set.objects.map(\.key) == [Samples.secretKey])
    // What comes late from a run of an object that is gone makes nothing.
    #expect(!(try directory.update(Samples.sourceKey) { $0.generation = 7 }))
  }

  @Test("What a killed process has left goes away")
  func leftovers() throws {
    let fixture = try StateFixture()
    let work: String
    do {
      let directory = try fixture.filled()
      _ = try directory.load()
      work = try directory.makeWorkDirectory()
    }
    try fixture.write("_run/.tmp-4567", "half")
    try fixture.write("_run/place-1", "/srv")
    try fixture.write("default/replicationsource/.tmp-0123", "half")
    try fixture.write("default/replicationsource/gone.status.yaml", "uid: x\n")
    try fixture.write("default/replicationsource/gone.runs.jsonl.1", "{}\n")
    try fixture.write("default/replicationsource/notes.txt", "the user's")
    let directory = try fixture.open()
    let names = try DurableFile.names(
      in: "\(fixture.path)/default/replicationsource", countMax: 99)
    #expect(names == ["data.status.yaml", "data.yaml", "notes.txt"])
    #expect(try DurableFile.names(in: work, countMax: 99) == ["place-1"])
    #expect(try directory.load().set.objects.count == 2)
  }

  @Test("One process at a time")
  func locked() throws {
    let fixture = try StateFixture()
    let directory = try fixture.filled()
    #expect(try StateDirectory.open(fixture.path) == nil)
    let client = StateClient(path: fixture.path, patienceSeconds: 0.1)
    do {
      _ = try client.list()
      Issue.record("the lock was taken twice")
    } catch {
      #expect(error.kind == .locked)
      #expect(error.message.contains("by process \(getpid())"))
    }
    withExtendedLifetime(directory) {}
  }

  @Test("A directory that is not there is not made by asking")
  func absent() throws {
    let fixture = try StateFixture()
    let client = StateClient(path: fixture.path)
    do {
      _ = try client.list()
      Issue.record("a directory was made")
    } catch {
      #expect(error.kind == .notFound)
      #expect(error.hint?.contains("--state") == true)
    }
    #expect(!fixture.exists(""))
  }

  @Test("A file system that is full or read-only: a clear error, and the old state stays")
  func fullOrReadOnly() throws {
    let fixture = try StateFixture()
    let mount = try fixture.temporary.makeDirectory("small")
    guard try runProcess("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", mount]).status == 0
    else {
      Issue.record("a tmpfs cannot be mounted: the test needs root")
      return
    }
    defer { _ = try? runProcess("umount", ["-l", mount]) }
    let path = "\(mount)/state"
    let client = StateClient(path: path)
    let small = fixture.file("f", Samples.secret)
    #expect(try client.apply([small]).map(\.outcome) == [.created])
    let large = fixture.file(
      "f", Samples.secret + "  more: \"\(String(repeating: "x", count: 100_000))\"\n")
    do {
      _ = try client.apply([large])
      Issue.record("more was stored than fits")
    } catch {
      #expect(error.message.contains("No space left"), "\(error.message)")
    }
    #expect(try client.apply([small]).map(\.outcome) == [.unchanged])
    #expect(try runProcess("mount", ["-o", "remount,ro", mount]).status == 0)
    do {
      _ = try client.apply([small])
      Issue.record("a read-only directory was opened for writing")
    } catch {
      #expect(error.kind == .denied)
      #expect(error.message.contains("Read-only"), "\(error.message)")
    }
  }

  @Test("Where the directory stands")
  func standardPath() {
    func path(
      _ option: String? = nil, _ environment: [String: String] = [:], isRoot: Bool = false
    ) -> String? {
      StatePath.standard(
        option: option, environment: environment, isRoot: isRoot, workingDirectory: "/w")
    }
    #expect(path("/a/b/", ["DROVER_STATE": "/c"]) == "/a/b")
    #expect(path("x") == "/w/x")
    #expect(path(nil, ["DROVER_STATE": "/c"], isRoot: true) == "/c")
    #expect(path(isRoot: true) == "/var/lib/drover")
    // Beside what `drover mirror` keeps in that directory.
    #expect(path(nil, ["XDG_STATE_HOME": "/s", "HOME": "/h"]) == "/s/drover/objects")
    #expect(path(nil, ["HOME": "/h"]) == "/h/.local/state/drover/objects")
    #expect(path() == nil)
  }
}
