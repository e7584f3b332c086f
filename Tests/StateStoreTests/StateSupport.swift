import Glibc
import Manifests
import Platform
import StateStore
import TestSupport
import Testing

/// A wall clock that stands until it is put forward.
final class StandingClock: Clock, @unchecked Sendable {
  private let lock = Lock()
  private var time = WallTime(seconds: 1_782_986_400)

  func wallTime() -> WallTime { lock.withLock { time } }
  func monotonicTime() -> MonotonicTime { .now() }
  func sleep(seconds: Double) { SystemClock().sleep(seconds: seconds) }
  func advance(seconds: Int64) { lock.withLock { time.seconds += seconds } }
}

enum Samples {
  static let secret = """
    apiVersion: v1
    kind: Secret
    metadata:
      name: key
    stringData:
      psk.txt: "volsync:0123456789abcdef0123456789abcdef"

    """
  static func source(
    _ name: String = "data", trigger: String = "schedule: \"0 * * * *\""
  ) -> String {
    """
    # The shop's data.
    apiVersion: volsync.backube/v1alpha1
    kind: ReplicationSource
    metadata:
      name: \(name)
    spec:
      sourcePVC: /srv/\(name)   # mounted by fstab
      trigger:
        \(trigger)
      rsyncTLS:
        keySecret: key
        address: 127.0.0.1
        copyMethod: Direct

    """
  }

  static let sourceKey = ObjectKey(kind: "ReplicationSource", namespace: "default", name: "data")
  static let secretKey = ObjectKey(kind: "Secret", namespace: "default", name: "key")
}

/// A state directory of its own, opened.
struct StateFixture {
  let temporary: TemporaryDirectory
  let clock = StandingClock()

  init() throws { temporary = try TemporaryDirectory() }

  var path: String { temporary.path("state") }

  func open() throws -> StateDirectory {
    // A child that another test starts holds the lock until its exec.
    let deadline = MonotonicTime.now().advanced(bySeconds: 60)
    while MonotonicTime.now() < deadline {
      if let directory = try StateDirectory.open(path, clock: clock) { return directory }
      usleep(1000)
    }
    throw StateError.inUse(path: path, processID: nil)
  }

  /// A directory with a source and its Secret.
  func filled() throws -> StateDirectory {
    let directory = try open()
    let text = Samples.secret + "---\n" + Samples.source()
    let answer = StateService(directory).answer(
      .apply([file("shop.yaml", text)], namespace: "default"))
    guard case .changes(let changes) = answer else {
      throw StateError.badMessage("\(answer)")
    }
    #expect(changes.map(\.outcome) == [.created, .created])
    return directory
  }

  func file(_ name: String, _ text: String) -> ManifestFile {
    ManifestFile(name: name, text: Array(text.utf8))
  }

  func text(_ name: String) throws -> String {
    String(decoding: try SmallFile.read("\(path)/\(name)", sizeBytesMax: 1 << 22), as: UTF8.self)
  }

  func write(_ name: String, _ text: String) throws {
    let raw = open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard raw >= 0 else { throw PlatformError.last("open", name) }
    let descriptor = Descriptor(owning: raw)
    try SmallFile.write(Array(text.utf8), to: descriptor.raw, subject: name)
  }

  func mode(_ name: String) -> UInt32? {
    var information = stat()
    guard lstat("\(path)/\(name)", &information) == 0 else { return nil }
    return information.st_mode & 0o7777
  }

  func exists(_ name: String) -> Bool { mode(name) != nil }

  private func open(_ path: String, _ flags: Int32, _ mode: mode_t) -> Int32 {
    Glibc.open(path, flags, mode)
  }
}
