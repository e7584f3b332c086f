import Cryptography
import Platform

/// What bounds the steps on this machine, measured after them in the same run.
struct RepositoryLimits {
  /// One data set: how much there is of it, and what its stages cost.
  struct DataLimits {
    var fileCount: Int
    /// Without holes.
    var contentBytes: Int
    var speeds: StageSpeeds
  }

  /// One cost of a step, in seconds of one core.
  typealias Part = (name: String, seconds: Double)

  private static let rounds = 3

  private(set) var data: [RepositoryData: DataLimits] = [:]
  private(set) var figures: [Figure] = []
  /// Seconds in which each program derives its key from the password.
  private(set) var keySeconds: [String: Double] = [:]
  private var walkSeconds = 0.0
  private var secondsPerFile = 0.0

  init(
    measuring sets: Set<RepositoryData>, in work: String, onFreshVolume: Bool,
    repositories: [(peer: String, path: String)]
  ) throws {
    for (peer, path) in repositories { try measureKey(of: peer, path) }
    for set in RepositoryData.allCases where sets.contains(set) {
      try Dataset.warm(set.path(in: work))
      let limits = try RepositoryLimits.measure(set, in: work)
      data[set] = limits
      figures += limits.speeds.figures(of: set)
    }
    guard sets.contains(.tree) else { return }
    let tree = RepositoryData.tree.path(in: work)
    let (entryCount, seconds) = try timeWalk(of: tree, rounds: RepositoryLimits.rounds)
    walkSeconds = seconds
    figures.append(
      Figure(
        name: "tree: walk with attributes", perSecond: Double(entryCount) / seconds,
        unit: "entries", note: "one thread"))
    if onFreshVolume {
      let volume = try FreshVolume(in: work, byteCount: 0)
      let outcome = Result { try measureFiles(in: volume.path) }
      try volume.remove()
      try outcome.get()
    } else {
      try measureFiles(in: work)
    }
  }

  /// What the step cannot do without, in seconds of one core. `stored` is what earlier steps have
  /// put into the repository.
  func parts(of step: RepositoryStep, stored: Set<RepositoryData>) -> [Part] {
    var parts: [Part] = [("key", keySeconds["drover"] ?? 0)]
    switch step {
    case .`init`, .prune: break
    case .first:
      parts.append(("walk", walkSeconds))
      parts += costs([.read, .cut, .hash, .compress, .seal], of: [.tree])
    case .again, .change: parts.append(("walk", walkSeconds))
    case .image, .image1: parts += costs([.read, .cut, .hash, .compress, .seal], of: [.image])
    case .large: parts += costs([.read, .cut, .hash, .compress, .seal], of: [.large])
    case .restore:
      parts += costs([.open, .decompress], of: [.tree])
      parts.append(("files", secondsPerFile * Double(data[.tree]?.fileCount ?? 0)))
    case .check: parts += costs([.hashStored, .open, .decompress, .hash], of: stored)
    }
    return parts
  }

  private func costs(_ stages: [StageSpeeds.Stage], of sets: Set<RepositoryData>) -> [Part] {
    stages.map { stage in
      let seconds = sets.reduce(0.0) { sum, set in
        guard let limits = data[set] else { return sum }
        return sum + limits.speeds.seconds(stage, bytes: limits.contentBytes)
      }
      return (stage.rawValue, seconds)
    }
  }

  private static func measure(_ set: RepositoryData, in work: String) throws -> DataLimits {
    let listing = try ChildProcess.capture([
      "find", set.path(in: work), "-type", "f", "-printf", "%s %b %p\n",
    ])
    var files: [(path: String, byteCount: Int)] = []
    var contentBytes = 0
    for line in listing.split(separator: "\n") {
      let fields = line.split(separator: " ", maxSplits: 2)
      guard fields.count == 3, let size = Int(fields[0]), let blocks = Int(fields[1]) else {
        throw BenchmarkError("find printed \(printable(line.utf8))")
      }
      files.append((String(fields[2]), size))
      contentBytes += min(size, blocks * 512)
    }
    files.sort { $0.path < $1.path }
    return DataLimits(
      fileCount: files.count, contentBytes: contentBytes,
      speeds: try StageSpeeds(sampling: files))
  }

  /// Derives a key with the costs of the repository's own: they differ from program to program.
  private mutating func measureKey(of peer: String, _ repository: String) throws {
    let text = try ChildProcess.capture(["sh", "-c", "cat \"$0\"/keys/*", repository])
    guard let key = try JSONValue(parsing: Array(text.utf8)).objectValue,
      let n = key["N"]?.integerValue, let r = key["r"]?.integerValue,
      let p = key["p"]?.integerValue
    else { throw BenchmarkError("\(repository): the key file names no costs") }
    let seconds = try medianSeconds(rounds: RepositoryLimits.rounds) {
      _ = try scrypt(
        password: [0x61], salt: [UInt8](repeating: 1, count: 64), n: Int(n), r: Int(r), p: Int(p),
        byteCount: 64)
    }
    keySeconds[peer] = seconds
    figures.append(
      Figure(
        name: "key of \(peer)", perSecond: 1 / seconds, unit: "keys",
        note: "scrypt N=\(n) r=\(r) p=\(p), \(decimal(seconds, 2)) s each"))
  }

  /// Making files without waiting for the disk, as a restore does.
  private mutating func measureFiles(in work: String) throws {
    let folder = "\(work)/files"
    try runCommand(["rm", "-rf", folder])
    try runCommand(["mkdir", "-p", folder])
    defer {
      // What is left over is below the work directory, which the user knows.
      try? runCommand(["rm", "-rf", folder])
    }
    var round = 0
    let seconds = try medianSeconds(rounds: RepositoryLimits.rounds) {
      round += 1
      try createSmall("\(folder)/\(round)")
    }
    secondsPerFile = seconds / Double(smallFileCount)
    figures.append(
      Figure(
        name: "files made", perSecond: 1 / secondsPerFile, unit: "files",
        note: "2 KiB, temporary name and rename, not synchronized, one thread"))
  }
}
