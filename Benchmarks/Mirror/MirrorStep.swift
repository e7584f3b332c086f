import Glibc
import Platform

/// One command in the life of a mirror; a round runs them in this order, or in the one that was
/// asked for.
enum MirrorStep: String, CaseIterable {
  case small, again, change, pull, big
  case threeSmall = "three-small"
  case threeBig = "three-big"

  /// What the step stores, or fetches.
  var data: MirrorData {
    switch self {
    case .small, .again, .change, .pull, .threeSmall: .small
    case .big, .threeBig: .big
    }
  }

  /// Buckets that the step writes.
  var buckets: [String] {
    switch self {
    case .threeSmall: ["small-1", "small-2", "small-3"]
    case .threeBig: ["big-1", "big-2", "big-3"]
    case .small, .again, .change, .pull, .big: ["one"]
    }
  }

  /// The step that stores the same once; what fan-out costs is told by the ratio.
  var single: MirrorStep? {
    switch self {
    case .threeSmall: .small
    case .threeBig: .big
    default: nil
    }
  }
}

/// What is mirrored.
enum MirrorData: String, CaseIterable {
  case small, big

  private static let smallCount = 20_000
  private static let smallBytes = 1 << 10..<8 << 10
  private static let bigCount = 8
  private static let bigBytes = 128 << 20
  private static let seed: UInt64 = 5

  func path(in work: String) -> String { "\(work)/mirror-\(rawValue)" }

  /// Makes it below `work` unless it stands there already.
  func prepare(in work: String) throws {
    let path = path(in: work)
    guard access(path, F_OK) != 0 else { return }
    remark("writing files for the mirror: \(rawValue)")
    let temporary = "\(path).new"
    try runCommand(["rm", "-rf", temporary])
    try runCommand(["mkdir", "-p", temporary])
    switch self {
    case .small: try MirrorData.makeSmall(in: temporary)
    case .big: try MirrorData.makeBig(in: temporary)
    }
    guard rename(temporary, path) == 0 else { throw PlatformError.last("rename", path) }
  }

  /// 20,000 files of 1 to 8 KiB in 1,261 directories.
  private static func makeSmall(in folder: String) throws {
    var generator = SeededGenerator(seed: seed)
    for number in 0..<smallCount {
      let parent = "\(folder)/\(number % 97)"
      let directory = "\(parent)/\(number % 13)"
      mkdir(parent, 0o755)
      mkdir(directory, 0o755)
      let length = smallBytes.lowerBound + generator.next(below: smallBytes.count)
      try write(to: "\(directory)/f\(number).dat") { try $0(generator.bytes(length)) }
    }
  }

  /// 8 files of 128 MiB.
  private static func makeBig(in folder: String) throws {
    var generator = SeededGenerator(seed: seed)
    for number in 0..<bigCount {
      try write(to: "\(folder)/b\(number).bin") { write in
        for _ in 0..<(bigBytes >> 20) { try write(generator.bytes(1 << 20)) }
      }
    }
  }

  private static func write(
    to path: String, _ body: (_ write: ([UInt8]) throws -> Void) throws -> Void
  ) throws {
    let raw = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard raw >= 0 else { throw PlatformError.last("open", path) }
    let file = Descriptor(owning: raw)
    try body { try SmallFile.write($0, to: file.raw, subject: path) }
  }
}
