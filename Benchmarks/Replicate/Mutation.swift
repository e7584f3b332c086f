import Glibc
import Platform

/// Repeatable changes of a tree: of one in a hundred regular files, 60 % get a small overwrite,
/// 15 % an addition, 10 % vanish, 10 % get another name, and beside 5 % a new file appears.
struct TreeMutation {
  /// Entries below this folder keep their links and times.
  static let untouchedFolder = "zz-odd"

  private var generator: SeededGenerator

  init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  mutating func apply(to root: String, share: Double = 0.01) throws {
    let paths = try Dataset.filePaths(in: root)
      .filter { !$0.contains("/\(TreeMutation.untouchedFolder)/") }
    for index in generator.sample(Int(Double(paths.count) * share), below: paths.count) {
      try change(paths[index])
    }
  }

  private mutating func change(_ path: String) throws {
    switch generator.next(below: 100) {
    case ..<60: try overwrite(path)
    case ..<75: try write(generator.bytes(300), to: path, flags: O_WRONLY | O_APPEND, at: nil)
    case ..<85:
      guard unlink(path) == 0 else { throw PlatformError.last("unlink", path) }
    case ..<95:
      guard rename(path, path + ".moved") == 0 else { throw PlatformError.last("rename", path) }
    default:
      let content = generator.bytes(100 + generator.next(below: 19_900))
      try write(content, to: path + ".new", flags: O_WRONLY | O_CREAT | O_TRUNC, at: nil)
    }
  }

  private mutating func overwrite(_ path: String) throws {
    var status = stat()
    guard stat(path, &status) == 0 else { throw PlatformError.last("stat", path) }
    let offset = generator.next(below: max(1, Int(status.st_size)))
    let content = generator.bytes(16 + generator.next(below: 496))
    try write(content, to: path, flags: O_WRONLY, at: offset)
  }

  private func write(_ bytes: [UInt8], to path: String, flags: Int32, at offset: Int?) throws {
    let raw = open(path, flags | O_CLOEXEC, 0o644)
    guard raw >= 0 else { throw PlatformError.last("open", path) }
    let file = Descriptor(owning: raw)
    if let offset {
      try Dataset.write(bytes[...], to: file.raw, at: offset)
    } else {
      try SmallFile.write(bytes, to: file.raw, subject: path)
    }
  }
}

/// Rewrites one in a hundred of the 4 KiB pages of an image with random bytes.
struct ImageMutation {
  private static let pageBytes = 4096

  private var generator: SeededGenerator

  init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  /// Gives the number of bytes that changed.
  mutating func apply(to path: String, share: Double = 0.01) throws -> Int {
    let raw = open(path, O_WRONLY | O_CLOEXEC)
    guard raw >= 0 else { throw PlatformError.last("open", path) }
    let file = Descriptor(owning: raw)
    var status = stat()
    guard fstat(file.raw, &status) == 0 else { throw PlatformError.last("fstat", path) }
    let pageCount = Int(status.st_size) / ImageMutation.pageBytes
    let pages = generator.sample(Int(Double(pageCount) * share), below: pageCount)
    for page in pages {
      let content = generator.bytes(ImageMutation.pageBytes)
      try Dataset.write(content[...], to: file.raw, at: page * ImageMutation.pageBytes)
    }
    return pages.count * ImageMutation.pageBytes
  }
}
