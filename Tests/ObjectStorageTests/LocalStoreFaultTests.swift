import Glibc
import ObjectStorage
import Platform
import TestSupport
import Testing

/// Each system call of a local store fails, or the process dies before it.
@Suite struct LocalStoreFaultTests {
  /// Strikes at one step, counted from 1, and remembers which it was.
  private final class Striker: @unchecked Sendable {
    private let lock = Lock()
    private let number: Int
    private let verdict: LocalVerdict
    private var count = 0
    private var strickenStep: LocalStep?

    init(_ number: Int, _ verdict: LocalVerdict) {
      self.number = number
      self.verdict = verdict
    }

    var stricken: LocalStep? { lock.withLock { strickenStep } }

    func decide(_ step: LocalStep) -> LocalVerdict {
      lock.withLock {
        count += 1
        guard count == number else { return .proceed }
        strickenStep = step
        return verdict
      }
    }
  }

  private static let old = [UInt8](repeating: 1, count: 300_000)
  private static let new = [UInt8](repeating: 2, count: 250_000)

  /// What a store does in its life; every part may fail.
  private func workload(_ store: LocalStore) throws {
    let memory = HeldMemory(LocalStoreFaultTests.new)
    let body = ObjectBody(
      memory: [memory.range(0..<100_000), memory.range(100_000..<250_000)], owner: memory)
    try store.put(key("data/ab/new"), body)
    try store.put(key("config"), LocalStoreFaultTests.new)
    try store.delete(key("data/00/old"))
    try store.synchronize()
  }

  private func prepare(_ path: String) throws {
    let store = try LocalStore.create(at: path)
    try store.put(key("config"), LocalStoreFaultTests.old)
    try store.put(key("data/00/old"), LocalStoreFaultTests.old)
  }

  /// Runs the workload with a fault at each step in turn; `check` gets the state it left.
  private func sweep(
    _ verdict: LocalVerdict, _ check: (String, LocalStep, ObjectStoreError?) throws -> Void
  ) throws {
    var strickenSteps: Set<LocalStep> = []
    for number in 1... {
      let directory = try TemporaryDirectory()
      let path = directory.path("store")
      try prepare(path)
      let striker = Striker(number, verdict)
      let store = try LocalStore(at: path, hook: { striker.decide($0) })
      let error = failure { try workload(store) }
      guard let step = striker.stricken else {
        #expect(error == nil)
        break
      }
      strickenSteps.insert(step)
      try checkWhole(path)
      try check(path, step, error)
      // A new process goes on as if nothing had been.
      let next = try LocalStore(at: path)
      try workload(next)
      #expect(try keys(in: next) == ["config", "data/ab/new"])
      #expect(try next.load(key("config"), sizeBytesMax: 1 << 20) == LocalStoreFaultTests.new)
    }
    #expect(strickenSteps == Set(LocalStep.allCases).subtracting([.removeTemporary]))
  }

  /// Every object has the whole old content or the whole new one.
  private func checkWhole(_ path: String) throws {
    let store = try LocalStore(at: path)
    for name in try keys(in: store) {
      let content = try store.load(key(name), sizeBytesMax: 1 << 20)
      let isOld = content == LocalStoreFaultTests.old && name != "data/ab/new"
      let isNew = content == LocalStoreFaultTests.new && name != "data/00/old"
      #expect(isOld || isNew, "\(name) has \(content.count) bytes")
    }
    #expect(try keys(in: store).contains("config"))
  }

  private func temporaryNames(_ path: String) throws -> [String] {
    try ByteFiles.walk(Array(path.utf8)).map { String(decoding: $0, as: UTF8.self) }
      .filter { $0.contains("-tmp-") }
  }

  @Test(arguments: [EIO, ENOSPC, ENOTCONN]) func aFailedStepLeavesNoTrace(_ code: Int32) throws {
    try sweep(.fail(errno: code)) { path, step, error in
      #expect(try temporaryNames(path) == [], "\(step)")
      let failed = try #require(error, "\(step) failed unnoticed")
      if case .full = failed { #expect(code == ENOSPC) } else { #expect(code != ENOSPC) }
    }
  }

  @Test func aDeathLeavesAtMostATemporaryName() throws {
    var leftovers = 0
    try sweep(.die) { path, step, error in
      let names = try temporaryNames(path)
      leftovers += names.count
      #expect(names.count <= 1)
      #expect(error?.kind == .failed)
      let mayLeave: Set<LocalStep> = [.write, .setMode, .synchronize, .rename]
      #expect(names.count == (mayLeave.contains(step) ? 1 : 0), "\(step)")
    }
    #expect(leftovers > 4)
  }

  @Test func aModeThatCannotBeSetIsNoFailure() throws {
    for code in [EPERM, EOPNOTSUPP] {
      let directory = try TemporaryDirectory()
      let path = directory.path("store")
      try prepare(path)
      let store = try LocalStore(at: path, hook: { $0 == .setMode ? .fail(errno: code) : .proceed })
      try workload(store)
      #expect(try store.load(key("data/ab/new"), sizeBytesMax: 1 << 20) == LocalStoreFaultTests.new)
    }
  }

  @Test func thePutsOwnFailureIsToldWhenCleaningUpFailsToo() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("store")
    try prepare(path)
    let store = try LocalStore(at: path) { step in
      switch step {
      case .rename: .fail(errno: EIO)
      case .removeTemporary: .fail(errno: EROFS)
      default: .proceed
      }
    }
    expectError(.failed) { try store.put(key("data/00/x"), [1]) }
    #expect(try temporaryNames(path).count == 1)
    #expect(try keys(in: store, "data/") == ["data/00/old"])
  }

  @Test func anotherProcessMayMakeTheFolderFirst() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("store")
    try prepare(path)
    let store = try LocalStore(at: path) { step in
      if step == .makeDirectory { mkdir("\(path)/data/ab", 0o700) }
      return .proceed
    }
    try workload(store)
    #expect(try keys(in: store) == ["config", "data/ab/new"])
  }

  @Test func aTornPutLeavesHalfOfItUnderATemporaryName() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("store")
    let local = try LocalStore.create(at: path)
    let store = FaultInjectingStore(local, .at(1, .killWithin))
    expectError(.failed) { try store.put(key("data/aa/pack"), [UInt8](repeating: 1, count: 1000)) }
    let names = try temporaryNames(path)
    #expect(names.count == 1)
    let name = try #require(names.first)
    #expect(try SmallFile.read("\(path)/\(name)", sizeBytesMax: 2000).count == 500)
    #expect(try keys(in: local) == [])
  }
}
