import Glibc
import ObjectStorage
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// A repository that the real program makes and judges, and that Drover opens as well.
final class ResticBench: Sendable {
  static let password = "bench"
  let directory: TemporaryDirectory
  let source: String

  var path: String { directory.path("repository") }

  init(version: Int = 2, initialize: Bool = true) throws {
    directory = try TemporaryDirectory()
    source = try directory.makeDirectory("source")
    if initialize { try restic(["init", "--repository-version", "\(version)"]) }
  }

  var environment: [String: String] {
    [
      "RESTIC_PASSWORD": ResticBench.password, "RESTIC_REPOSITORY": path,
      "HOME": directory.path, "PATH": environmentValue("PATH") ?? "/usr/bin:/bin",
    ]
  }

  @discardableResult
  func restic(_ arguments: [String]) throws -> String {
    try runChecked("/usr/bin/restic", ["--no-cache"] + arguments, environment: environment)
      .outputText
  }

  /// What the program says and how it ends, whatever that is.
  func tryRestic(_ arguments: [String]) throws -> ProcessResult {
    try runProcess("/usr/bin/restic", ["--no-cache"] + arguments, environment: environment)
  }

  func start(_ arguments: [String]) throws -> ChildProcess {
    try ChildProcess("/usr/bin/restic", ["--no-cache"] + arguments, environment: environment)
  }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    try ByteFiles.write(Array("\(source)/\(name)".utf8), bytes)
  }

  /// Three backups of changing files, so that the first ones leave something unused behind.
  func fill(seed: UInt64 = 3, files: Int = 8, rounds: Int = 3) throws {
    var generator = SeededGenerator(seed: seed)
    for round in 0..<rounds {
      for file in 0..<files where file % rounds >= round {
        try write("file-\(file)", generator.bytes(200_000 + 1000 * file))
        try write("text-\(file)", [UInt8](repeating: UInt8(65 + file + round), count: 70_000))
      }
      try restic(["backup", source])
    }
  }

  func store() throws -> LocalStore { try LocalStore(at: path) }

  func open() throws -> Repository {
    try Repository.open(try store(), password: Array(ResticBench.password.utf8))
  }

  /// The objects of the repository in memory, for sweeps that damage or interrupt.
  func memoryCopy() throws -> MemoryStore {
    try ResticBench.copy(of: try store(), into: MemoryStore())
  }

  static func copy<Target: ObjectStore>(
    of store: any ObjectStore, into target: Target
  ) throws -> Target {
    try store.list(.all) { (key, _) throws(ObjectStoreError) in
      try target.put(key, try store.load(key, sizeBytesMax: 1 << 30))
    }
    return target
  }
}

/// A clock that only its sleeps move.
final class TurnedClock: Clock, @unchecked Sendable {
  private let lock = Lock()
  private var seconds: Double
  private let offset: Int64

  /// `offset` is by how much the wall clock is ahead of the true one, seconds.
  init(offset: Int64 = 0) {
    seconds = 0
    self.offset = offset
  }

  private let start = WallTime.now()

  func wallTime() -> WallTime {
    WallTime(
      seconds: start.seconds + offset + Int64(lock.withLock { seconds }),
      nanoseconds: start.nanoseconds)
  }

  func monotonicTime() -> MonotonicTime {
    MonotonicTime(nanoseconds: Int64(lock.withLock { seconds } * 1e9) + 1_000_000_000)
  }

  func sleep(seconds: Double) { lock.withLock { self.seconds += seconds } }
}
