import Glibc
import Platform
import TestSupport
import Testing

/// `kill -9` of the real program at any moment: restic finds the repository sound, every snapshot
/// that nobody asked to forget comes back, and the next run completes.
@Suite(.serialized) struct RepoKillTests {
  @Test func aKilledRunLosesNothingAndTheNextCompletes() throws {
    let killCount = SampledCounts.count(sampled: 8, full: 100)
    let bench = try KillBench(seed: 0x5ead)
    var round = 0
    // Some come too late: the process has ended. The rounds go on until enough have met what
    // counts.
    while !bench.isProven(killCount), round < killCount * 4 {
      let issue = try bench.run(round: round)
      #expect(issue == "", "round \(round)")
      if issue != "" { return }
      round += 1
    }
    #expect(try bench.repo.complaints(readsData: true) == "")
    for snapshot in bench.kept {
      #expect(try bench.repo.differences(snapshot.id, from: snapshot.copy) == "")
    }
    if SampledCounts.isFull { print("kills: \(bench.evidence)") }
    // Kills that come too late, or before anything happens, would prove nothing.
    #expect(bench.total.hits >= killCount, "\(bench.evidence)")
    #expect(bench.total.locked * 2 >= killCount, "\(bench.evidence)")
    #expect(bench.total.changed * 4 >= killCount, "\(bench.evidence)")
    guard SampledCounts.isFull else { return }
    for operation in KillBench.Operation.allCases {
      let tally = bench.tallies[operation] ?? KillBench.Tally()
      #expect(tally.hits >= 10 && tally.changed >= 3, "\(bench.evidence)")
    }
  }
}

/// A repository in which every run of one round is killed, and what has to be in it.
private final class KillBench {
  enum Operation: String, CaseIterable {
    case backup, forget, prune, repairIndex
  }

  /// What kills have met.
  struct Tally {
    var rounds = 0
    /// The process was running.
    var hits = 0
    /// Its lock was left behind.
    var locked = 0
    /// It had changed something in the repository.
    var changed = 0
  }

  var total: Tally {
    tallies.values.reduce(into: Tally()) { sum, tally in
      sum.rounds += tally.rounds
      sum.hits += tally.hits
      sum.locked += tally.locked
      sum.changed += tally.changed
    }
  }

  /// Whether enough kills have hit, left a lock and followed a change; in a full run, of each
  /// operation.
  func isProven(_ killCount: Int) -> Bool {
    guard total.hits >= killCount, total.locked * 2 >= killCount, total.changed * 4 >= killCount
    else { return false }
    guard SampledCounts.isFull else { return true }
    return Operation.allCases.allSatisfy { operation in
      let tally = tallies[operation] ?? Tally()
      return tally.hits >= 10 && tally.changed >= 3
    }
  }

  let repo: RepoBench
  private(set) var tallies: [Operation: Tally] = [:]
  /// The snapshots that have to be there, the newest last, each with a copy of what it holds.
  private(set) var kept: [(id: String, copy: String)] = []
  private var random: SeededGenerator
  private var copyCount = 0
  /// How long an operation takes when nobody disturbs it.
  private var seconds: [Operation: Double] = [:]

  init(seed: UInt64) throws {
    repo = try RepoBench()
    random = SeededGenerator(seed: seed)
    try repo.droverChecked(["init"])
    for folder in 0..<6 {
      try ByteFiles.makeDirectory(Array("\(repo.source)/folder-\(folder)".utf8))
    }
    for operation in Operation.allCases {
      try prepare(operation)
      let start = MonotonicTime.now()
      try repo.droverChecked(arguments(operation))
      seconds[operation] = MonotonicTime.now().seconds(since: start)
      try note(operation)
    }
  }

  var evidence: String {
    Operation.allCases.map { operation in
      let tally = tallies[operation] ?? Tally()
      return "\(operation.rawValue): \(tally.hits) of \(tally.rounds) hit, \(tally.locked) with a"
        + " lock left, \(tally.changed) after a change"
    }.joined(separator: "; ")
  }

  // MARK: Operations

  private func arguments(_ operation: Operation) -> [String] {
    switch operation {
    // Slow enough that most of the time goes into the work.
    case .backup: ["backup", repo.source, "--pack-size", "4", "--limit-upload", "8192"]
    case .forget:
      [
        "forget", "--keep-last", "2", "--group-by", "", "--prune", "--max-unused", "0",
        "--pack-size", "4", "--limit-upload", "8192",
      ]
    case .prune: ["prune", "--max-unused", "0", "--pack-size", "4", "--limit-upload", "8192"]
    case .repairIndex: ["repair", "index", "--read-all-packs"]
    }
  }

  /// Gives an operation something to do.
  private func prepare(_ operation: Operation) throws {
    switch operation {
    case .backup:
      try changeSource()
    case .forget, .prune:
      while kept.count < 4 {
        try changeSource()
        try repo.droverChecked(["backup", repo.source, "--pack-size", "4"])
        try note(.backup)
      }
      guard operation == .prune else { return }
      try repo.droverChecked(["forget", "--keep-last", "2", "--group-by", ""])
      try note(.forget)
    case .repairIndex: break
    }
  }

  /// Some 6 MB in new files and in changed ones; some go.
  private func changeSource() throws {
    for _ in 0..<24 {
      let folder = random.below(6)
      let path = Array("\(repo.source)/folder-\(folder)/file-\(random.below(8))".utf8)
      try ByteFiles.write(path, random.bytes(random.below(500_000)))
    }
    let folder = Array("\(repo.source)/folder-\(random.below(6))".utf8)
    if let name = try ByteFiles.names(in: folder).first {
      try ByteFiles.remove(ByteFiles.join(folder, name))
    }
    copyCount += 1
    try RsyncJudge.copy(source: repo.source, destination: copy)
  }

  /// The copy of the source as it is now.
  private var copy: String { repo.directory.path("copy-\(copyCount)") }

  /// Takes up what an operation that came to its end has left.
  private func note(_ operation: Operation) throws {
    let found = try repo.snapshotIDs()
    switch operation {
    case .backup:
      let known = Set(kept.map(\.id))
      kept += found.filter { !known.contains($0) }.map { ($0, copy) }
    case .forget: keep(2)
    case .prune, .repairIndex: break
    }
    #expect(found == kept.map(\.id), "after \(operation)")
  }

  private func keep(_ count: Int) {
    let gone = Set(kept.dropLast(count).map(\.copy))
    kept = kept.suffix(count)
    for copy in gone.subtracting(kept.map(\.copy)) { removeTree(copy) }
  }

  // MARK: A round

  /// Kills one run; gives what is wrong afterwards, empty for nothing.
  func run(round: Int) throws -> String {
    let operation =
      round < 4 ? Operation.allCases[round] : random.pick(Operation.allCases + [.backup])
    try prepare(operation)
    let before = try state()
    let usual = seconds[operation] ?? 1
    let start = MonotonicTime.now()
    let child = try repo.startDrover(arguments(operation))
    // At any moment, or soon after the first change.
    let isAfterChange = random.chance(0.5)
    if isAfterChange { try waitForChange(operation, before, child) }
    // What repair index does after its first change takes milliseconds.
    let rest = operation == .repairIndex ? 0.01 : usual / 4
    let delay = Double.random(in: 0...(isAfterChange ? rest : usual), using: &random)
    SystemClock().sleep(seconds: delay)
    child.kill(SIGKILL)
    let status = child.wait()
    if status == 0 { seconds[operation] = min(usual, MonotonicTime.now().seconds(since: start)) }
    let locks = try repo.files("locks")
    tallies[operation, default: Tally()].rounds += 1
    if status == 128 + SIGKILL {
      tallies[operation]?.hits += 1
      if !locks.isEmpty { tallies[operation]?.locked += 1 }
      if try state() != before { tallies[operation]?.changed += 1 }
    }
    let told =
      "\(operation) killed \(isAfterChange ? "\(delay) s after its first change" : "after \(delay) s")"
      + " of \(usual) s, status \(status ?? -1): "
    if operation == .forget { keep(2) }
    let complaints = try judge(operation, readsData: round % 10 == 9)
    if complaints != "" { return told + complaints }
    // restic of this host sees that the holder is dead; Drover does so by itself.
    if !locks.isEmpty, random.chance(0.3) {
      try repo.restic(["unlock"])
      if try !repo.files("locks").isEmpty { return told + "restic has left the lock" }
    }
    let failure = try complete(operation, usual)
    return failure == "" ? "" : told + failure
  }

  private func state() throws -> [String: Set<String>] {
    var state: [String: Set<String>] = [:]
    for folder in ["data", "index", "snapshots"] { state[folder] = try repo.files(folder) }
    return state
  }

  private func waitForChange(
    _ operation: Operation, _ before: [String: Set<String>], _ child: ChildProcess
  ) throws {
    let folders = operation == .repairIndex ? ["index"] : ["index", "snapshots", "data"]
    while child.isRunning {
      for folder in folders where try repo.files(folder) != before[folder] { return }
    }
  }

  /// What restic finds wrong after a kill.
  private func judge(_ operation: Operation, readsData: Bool) throws -> String {
    let complaints = try repo.complaints(readsData: readsData)
    guard complaints == "" else { return complaints }
    let found = try repo.snapshotIDs()
    let missing = kept.filter { !found.contains($0.id) }
    guard missing.isEmpty else { return "missing: \(missing)" }
    if operation == .backup {
      // It may have been killed when all was done.
      let known = Set(kept.map(\.id))
      kept += found.filter { !known.contains($0) }.map { ($0, copy) }
    }
    var checked = [kept[kept.count - 1]]
    if kept.count > 1 { checked.append(kept[random.below(kept.count - 1)]) }
    for snapshot in checked {
      let differences = try repo.differences(snapshot.id, from: snapshot.copy)
      guard differences == "" else { return "\(snapshot.id): \(differences)" }
    }
    return ""
  }

  /// Runs the operation again, to its end.
  private func complete(_ operation: Operation, _ usual: Double) throws -> String {
    let start = MonotonicTime.now()
    let result = try repo.drover(arguments(operation))
    guard result.status == 0 else { return "\(result.status): \(result.errorText)" }
    seconds[operation] = max(usual * 0.9, MonotonicTime.now().seconds(since: start))
    try note(operation)
    let locks = try repo.files("locks")
    guard locks.isEmpty else { return "locks are left: \(locks)" }
    return try repo.complaints()
  }
}
