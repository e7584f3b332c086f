import Glibc
import Platform

/// One command in the life of a repository; a round runs them in this order, or in the one that was
/// asked for.
enum RepositoryStep: String, CaseIterable {
  case `init`, first, again, change, restore, check, image, image1, large, prune

  /// What the step backs up, or restores.
  var data: RepositoryData? {
    switch self {
    case .first, .again, .change, .restore: .tree
    case .image, .image1: .image
    case .large: .large
    case .`init`, .check, .prune: nil
    }
  }

  /// What is rewritten before both programs take the step.
  var changes: Bool { self == .change || self == .image1 }

  /// The words behind `restic` or `drover repo`.
  func command(in work: String, target: String) -> [String] {
    let path = data.map { $0.path(in: work) } ?? ""
    switch self {
    case .`init`: return ["init"]
    case .first, .again, .change, .image, .image1, .large: return ["backup", path]
    case .restore: return ["restore", "latest", "--path", path, "--target", target]
    case .check: return ["check", "--read-data"]
    case .prune: return ["forget", "--keep-last", "1", "--prune"]
    }
  }
}

/// What is backed up: the data sets of `replicate`, and one large file.
enum RepositoryData: String, CaseIterable {
  case tree, image, large

  private static let largeBytes = 2 << 30
  private static let largeSeed: UInt64 = 2

  func path(in work: String) -> String { "\(work)/\(rawValue)" }

  /// Makes it below `work` unless it stands there already.
  func prepare(in work: String) throws {
    switch self {
    case .tree: try Dataset.tree.prepare(in: work)
    case .image: try Dataset.image.prepare(in: work)
    case .large:
      let path = path(in: work)
      if access(path, F_OK) != 0 { try RepositoryData.makeLarge(at: path) }
    }
  }

  /// Rewrites 1 % of it, by the same seed in the same way.
  func change(in work: String, seed: UInt64) throws {
    switch self {
    case .tree:
      var mutation = TreeMutation(seed: seed)
      try mutation.apply(to: path(in: work))
    case .image:
      var mutation = ImageMutation(seed: seed)
      _ = try mutation.apply(to: "\(path(in: work))/disk.img")
    case .large: break
    }
  }

  /// 2 GiB of random bytes.
  private static func makeLarge(at path: String) throws {
    remark("writing a file of 2 GiB")
    let temporary = "\(path).new"
    let raw = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard raw >= 0 else { throw PlatformError.last("open", temporary) }
    let file = Descriptor(owning: raw)
    var generator = SeededGenerator(seed: largeSeed)
    var piece = [UInt8](repeating: 0, count: 1 << 20)
    for offset in stride(from: 0, to: largeBytes, by: piece.count) {
      piece.withUnsafeMutableBytes { generator.fill($0) }
      try Dataset.write(piece[...], to: file.raw, at: offset)
    }
    guard rename(temporary, path) == 0 else { throw PlatformError.last("rename", path) }
  }
}
