import Glibc
import Manifests
import Platform
import TestSupport
import Testing

@testable import StateStore

/// Changes to several objects as a whole, and the generations of a relationship.
@Suite("Exchange and relations")
struct ExchangeTests {
  private let temporary: TemporaryDirectory
  private let source = ObjectKey(kind: "ReplicationSource", namespace: "default", name: "a")
  private let copy = ObjectKey(kind: "ReplicationDestination", namespace: "default", name: "a")

  init() throws { temporary = try TemporaryDirectory() }

  private func open() throws -> StateDirectory {
    try #require(try StateDirectory.open(temporary.path("state")))
  }

  private func apply(_ directory: StateDirectory) throws {
    let text = """
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationSource
      metadata: {name: a}
      spec:
        sourcePVC: /one # mine
        rsyncTLS: {copyMethod: Direct, address: x}

      """
    let answer = StateService(directory).answer(
      .apply([ManifestFile(name: "a.yaml", text: Array(text.utf8))], namespace: "default"))
    guard case .changes(let changes) = answer, changes.count == 1 else {
      throw TestFailure("\(answer)")
    }
  }

  private var steps: [ExchangeStep] {
    var record = RelationRecord()
    record.generation = 7
    let text = """
      apiVersion: volsync.backube/v1alpha1
      kind: ReplicationDestination
      metadata: {name: a, namespace: default}
      spec: {rsyncTLS: {copyMethod: Direct, destinationPVC: /one}}

      """
    return [
      .edit(source, path: ["spec", "sourcePVC"], value: "/two"), .relation(source, record),
      .put(copy, text: text), .request(copy, tag: "t"),
    ]
  }

  private func expectDone(_ directory: StateDirectory) throws {
    let (object, _) = try #require(try directory.object(source))
    #expect((object.manifest as? ReplicationSource)?.sourcePVC?.value == "/two")
    #expect(try directory.relationFile(of: source).read().generation == 7)
    #expect(try directory.object(copy)?.own.requestedRun == "t")
    #expect(access("\(directory.path)/drover.exchange", F_OK) != 0)
  }

  @Test("All of it is done, the user's comments stay, and again is no matter")
  func whole() throws {
    let directory = try open()
    try apply(directory)
    for _ in 0..<2 {
      guard case .changes = StateService(directory).answer(.exchange(steps)) else {
        throw TestFailure("no changes")
      }
      try expectDone(directory)
    }
    let text = try SmallFile.read(
      "\(directory.path)/default/replicationsource/a.yaml", sizeBytesMax: 1 << 16)
    #expect(String(decoding: text, as: UTF8.self).contains("sourcePVC: /two # mine"))
  }

  @Test("What a killed process has written down is done by the next, from any step on")
  func resumed() throws {
    for doneCount in 0...steps.count {
      let place = "\(temporary.path("state"))"
      _ = try runProcess("rm", ["-rf", place])
      do {
        let directory = try open()
        try apply(directory)
        try directory.exchange(Array(steps.prefix(doneCount)))
        let text = JSONValue.array(steps.map { .object($0.document) }).encoded()
        try DurableFile.replace("drover.exchange", in: place, with: text, mode: 0o600)
      }
      try expectDone(try open())
    }
  }

  @Test("Steps that do not fit the objects change nothing")
  func refused() throws {
    let directory = try open()
    try apply(directory)
    let bad = steps.dropLast(2) + [.put(copy, text: "kind: Nonsense\n")]
    guard case .failure = StateService(directory).answer(.exchange(Array(bad))) else {
      throw TestFailure("taken")
    }
    let missing = steps.dropLast(2) + [.request(copy, tag: "t")]
    guard
      case .failure(.notFound, _, _) = StateService(directory).answer(
        .exchange(Array(missing)))
    else { throw TestFailure("taken") }
    let (object, _) = try #require(try directory.object(source))
    #expect((object.manifest as? ReplicationSource)?.sourcePVC?.value == "/one")
  }

  @Test("A generation only grows, and a damaged file stops instead of beginning anew")
  func relation() throws {
    let directory = try open()
    try apply(directory)
    let file = try directory.relationFile(of: source)
    #expect(try file.read() == RelationRecord())
    var record = RelationRecord()
    record.fencedBy = 4
    record.fencedText = "why"
    #expect(record.isFenced)
    record.promote(at: WallTime(seconds: 1_783_000_000))
    #expect(record.generation == 5 && record.isPromoted && !record.isFenced)
    record.promote(at: WallTime(seconds: 1_783_000_001))
    #expect(record.generation == 5)
    var last = RelationRecord()
    last.fencedBy = .max
    last.promote(at: WallTime(seconds: 1_783_000_000))
    #expect(RelationRecord(last.document) == last)
    let made = record
    try file.update { $0 = made }
    #expect(try file.read() == made)
    for text in ["", "{}", "{\"generation\": 0}", "{\"generation\": 2, \"promoted\": \"x\"}"] {
      try ByteFiles.write(Array(file.path.utf8), Array(text.utf8))
      #expect(throws: StateError.self) { try file.read() }
      #expect(throws: StateError.self) { try file.update { $0.generation = 9 } }
    }
    guard case .changes = StateService(directory).answer(.delete([source])) else {
      throw TestFailure("not deleted")
    }
    #expect(try file.read() == RelationRecord())
  }
}
