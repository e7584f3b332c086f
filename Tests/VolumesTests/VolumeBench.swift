import Glibc
import Manifests
import Platform
import TestSupport
import Testing
import Volumes

/// A volume, and the place for its copies.
struct VolumeBench {
  let volume: BoundVolume
  let place: CopyPlace

  init(_ path: String, _ form: BoundVolume.Form = .directory) throws {
    volume = BoundVolume(path: path, form: form, claim: nil)
    place = try CopyPlace(for: volume, root: nil)
  }

  func maker(
    _ method: CopyParameters.Method? = nil,
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) -> CopyMaker {
    var parameters = CopyParameters()
    parameters.method = method
    return CopyMaker(place, parameters, isCancelled: isCancelled)
  }

  func copy(
    _ method: CopyParameters.Method? = nil, name: String = "ns.copy", capacityBytes: UInt64? = nil
  ) throws -> PointInTimeCopy {
    try PointInTimeCopy(
      name, of: volume, with: maker(method), className: nil, capacityBytes: capacityBytes)
  }

  /// What stands in the place.
  var names: [String] {
    get throws {
      access(place.path, F_OK) == 0 ? try DurableFile.names(in: place.path, countMax: 100) : []
    }
  }
}

/// Changes files of a volume until it is told to end.
final class Writer: @unchecked Sendable {
  private let lock = Lock()
  private var shallEnd = false
  private var count = 0
  private var thread: Thread<Void>?

  /// Calls `body` with 1, 2, 3 …
  init(_ body: @escaping @Sendable (Int) throws -> Void) {
    thread = Thread("writer") { [self] in
      while let number = next() { try body(number) }
    }
    // The first round has been written when this ends.
    while lock.withLock({ count < 3 && !shallEnd }) { usleep(200) }
  }

  /// Waits until a whole round has been written since this was called.
  func waitForRound() {
    let count = lock.withLock { self.count }
    while lock.withLock({ self.count < count + 2 && !shallEnd }) { usleep(200) }
  }

  private func next() -> Int? {
    lock.withLock {
      guard !shallEnd else { return nil }
      count += 1
      return count
    }
  }

  func end() throws {
    lock.withLock { shallEnd = true }
    let thread = self.thread
    self.thread = nil
    try thread?.join()
  }
}

/// Replaces the start of a file, on the disk when this returns.
func overwrite(_ path: String, _ bytes: [UInt8], flags: Int32 = O_DSYNC) throws {
  let raw = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0o644)
  guard raw >= 0 else { throw PlatformError.last("open", path) }
  let descriptor = Descriptor(owning: raw)
  try FileIO.write(descriptor.raw, bytes, at: 0)
}

func content(_ path: String) throws -> [UInt8] {
  try SmallFile.read(path, sizeBytesMax: 64 << 20)
}

func number(_ path: String) throws -> Int {
  let text = String(decoding: try content(path), as: UTF8.self)
  return try #require(Int(text.prefix(10)))
}

func digits(_ number: Int) -> [UInt8] {
  let text = String(number)
  return Array((String(repeating: "0", count: 10 - text.count) + text).utf8)
}

func makeSubvolume(_ name: String, in directory: String) throws -> String {
  let raw = open(directory, O_RDONLY | O_DIRECTORY)
  guard raw >= 0 else { throw PlatformError.last("open", directory) }
  let descriptor = Descriptor(owning: raw)
  guard Subvolumes.make(name, in: descriptor.raw) == 0 else {
    throw PlatformError.last("subvolume", directory)
  }
  return "\(directory)/\(name)"
}

/// Counts calls from any thread.
final class Counter: @unchecked Sendable {
  private let lock = Lock()
  private var count = 0

  func next() -> Int {
    lock.withLock {
      count += 1
      return count
    }
  }
}
