import Glibc
import ObjectMirror
import Platform
import TestSupport

/// A tree, and what real rclone and a filter of ours list of it.
struct FilterJudge {
  let directory: TemporaryDirectory
  let root: String
  /// Every entry, relative to the root, a directory with a slash behind it.
  private(set) var entries: [[UInt8]] = []

  init(seed: UInt64, names: [[UInt8]]) throws {
    directory = try TemporaryDirectory()
    root = try directory.makeDirectory("tree")
    var random = SeededGenerator(seed: seed)
    try fill([], names, depth: 0, &random)
  }

  private mutating func fill(
    _ path: [UInt8], _ names: [[UInt8]], depth: Int, _ random: inout SeededGenerator
  ) throws {
    for name in names where random.chance(depth == 0 ? 0.8 : 0.4) {
      let inner = path.isEmpty ? name : ByteFiles.join(path, name)
      let full = ByteFiles.join(Array(root.utf8), inner)
      if depth < 3, random.chance(0.35) {
        try ByteFiles.makeDirectory(full)
        entries.append(inner + [0x2f])
        try fill(inner, names, depth: depth + 1, &random)
      } else {
        let size = random.below(3000)
        try ByteFiles.write(full, [UInt8](repeating: 1, count: size))
        try ByteFiles.setTime(
          full, seconds: 1_700_000_000 + random.below(1000), nanoseconds: 0)
        entries.append(inner)
      }
    }
  }

  var directoryCount: Int { entries.count { $0.last == 0x2f } }

  /// What `rclone lsf -R` lists; nil when it refuses the rules.
  func list(
    _ judge: RcloneJudge, _ options: [String]
  ) throws -> (entries: Set<[UInt8]>?, message: String) {
    let result = try judge.run(["lsf", "-R"] + options + [root])
    guard result.status == 0 else { return (nil, result.errorText) }
    return (Set(result.output.split(separator: 0x0a).map { Array($0) }), result.errorText)
  }

  /// What a walk lists that asks our filter, written as rclone writes names.
  func list(_ filter: MirrorFilter) throws -> Set<[UInt8]> {
    var result: Set<[UInt8]> = []
    var hidden: [UInt8]?
    if try isMarked([], filter) { return [] }
    for entry in entries {
      if let hidden, entry.starts(with: hidden) { continue }
      hidden = nil
      let isDirectory = entry.last == 0x2f
      let path = isDirectory ? Array(entry.dropLast()) : entry
      let isIncluded =
        try isDirectory
        ? path.withUnsafeBufferPointer { filter.includes(directory: $0) }
          && !isMarked(entry, filter)
        : includes(file: path, filter)
      if isIncluded { result.insert(FilterJudge.shown(entry)) }
      if !isIncluded, isDirectory { hidden = entry }
    }
    return result
  }

  private func includes(file path: [UInt8], _ filter: MirrorFilter) throws -> Bool {
    let status = try ByteFiles.status(ByteFiles.join(Array(root.utf8), path))
    let file = FilteredFile(
      sizeBytes: Int64(status.st_size), modified: WallTime(seconds: Int64(status.st_mtim.tv_sec)))
    return path.withUnsafeBufferPointer { filter.includes(file: $0, file) }
  }

  private func isMarked(_ directory: [UInt8], _ filter: MirrorFilter) throws -> Bool {
    guard filter.hasMarkers else { return false }
    return entries.contains { entry in
      guard entry.starts(with: directory), !entry[directory.count...].contains(0x2f) else {
        return false
      }
      return Array(entry[directory.count...]).withUnsafeBufferPointer { filter.isMarker($0) }
    }
  }

  /// Control characters are symbols for rclone.
  private static func shown(_ entry: [UInt8]) -> [UInt8] {
    entry.flatMap { byte -> [UInt8] in
      byte < 0x20 ? [0xe2, 0x90, 0x80 + byte] : byte == 0x7f ? [0xe2, 0x90, 0xa1] : [byte]
    }
  }
}
