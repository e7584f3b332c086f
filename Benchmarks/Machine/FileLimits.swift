import Glibc
import Platform

private let largeFileBytes = 1 << 30
/// Files that a measurement of many small ones makes.
let smallFileCount = 20_000

/// Entries a second of a walk by `readdir` and `fstatat`, with a warm cache, on one thread.
func measureWalk(of tree: String, rounds: Int) throws -> Figure {
  let (entryCount, seconds) = try timeWalk(of: tree, rounds: rounds)
  return Figure(
    name: "walk with attributes", perSecond: Double(entryCount) / seconds, unit: "entries",
    note: "\(entryCount) entries, warm, one thread")
}

/// The entries below `tree` and the seconds of one walk.
func timeWalk(of tree: String, rounds: Int) throws -> (entryCount: Int, seconds: Double) {
  var entryCount = 0
  let seconds = try medianSeconds(rounds: rounds) { entryCount = try countEntries(tree) }
  return (entryCount, seconds)
}

private func countEntries(_ root: String) throws -> Int {
  var pending = [root]
  var count = 0
  while let path = pending.popLast() {
    guard let directory = opendir(path) else {
      // Another user's directory below a system tree is not counted.
      if errno == EACCES || errno == ENOENT { continue }
      throw PlatformError.last("opendir", path)
    }
    defer { closedir(directory) }
    let descriptor = dirfd(directory)
    while let entry = readdir(directory) {
      let name = entryName(entry)
      guard name != ".", name != ".." else { continue }
      count += 1
      var status = stat()
      guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
      if status.st_mode & S_IFMT == S_IFDIR { pending.append("\(path)/\(name)") }
    }
  }
  return count
}

private func entryName(_ entry: UnsafeMutablePointer<dirent>) -> String {
  withUnsafePointer(to: &entry.pointee.d_name) { field in
    field.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
  }
}

/// A large file written and flushed, copied by read and write, and many small files made by
/// temporary name and rename with one flush at the end.
func measureFiles(in work: String, rounds: Int) throws -> [Figure] {
  let folder = "\(work)/machine.\(getpid())"
  try runCommand(["mkdir", "-p", folder])
  defer {
    // What is left over is below the work directory, which the user knows.
    try? runCommand(["rm", "-rf", folder])
  }
  let large = "\(folder)/large"
  let written = try medianSeconds(rounds: rounds) {
    try writeLarge(large)
    try flush(folder)
  }
  let copied = try medianSeconds(rounds: rounds) { try copy(large, to: "\(folder)/copy") }
  unlink(large)
  unlink("\(folder)/copy")
  try flush(folder)
  var round = 0
  let created = try medianSeconds(rounds: rounds) {
    round += 1
    try createSmall("\(folder)/small-\(round)")
    try flush(folder)
  }
  let megabytes = Double(largeFileBytes) / 1e6
  return [
    Figure(
      name: "file write with syncfs", perSecond: megabytes / written, unit: "MB", note: "1 GiB"),
    Figure(
      name: "file copy, read and write", perSecond: megabytes / copied, unit: "MB",
      note: "1 GiB, warm, without syncfs"),
    Figure(
      name: "small files made", perSecond: Double(smallFileCount) / created, unit: "files",
      note: "2 KiB, temporary name and rename, one syncfs"),
  ]
}

private func writeLarge(_ path: String) throws {
  let file = try openNew(path)
  var generator = SeededGenerator(seed: 4)
  let piece = generator.bytes(1 << 20)
  for _ in 0..<largeFileBytes / piece.count {
    try SmallFile.write(piece, to: file.raw, subject: path)
  }
}

private func copy(_ source: String, to target: String) throws {
  let raw = open(source, O_RDONLY | O_CLOEXEC)
  guard raw >= 0 else { throw PlatformError.last("open", source) }
  let input = Descriptor(owning: raw)
  let output = try openNew(target)
  var buffer = [UInt8](repeating: 0, count: 256 << 10)
  while true {
    let count = retryingOnInterrupt { read(input.raw, &buffer, buffer.count) }
    guard count >= 0 else { throw PlatformError.last("read", source) }
    if count == 0 { return }
    guard count == buffer.count else { throw BenchmarkError("\(source): a short read") }
    try SmallFile.write(buffer, to: output.raw, subject: target)
  }
}

/// Makes `folder` and small files in it: temporary name, content, times, rename.
func createSmall(_ folder: String) throws {
  guard mkdir(folder, 0o700) == 0 else { throw PlatformError.last("mkdir", folder) }
  let content = [UInt8](repeating: 0x61, count: 2048)
  let times = [timespec(tv_sec: 1, tv_nsec: 1), timespec(tv_sec: 1, tv_nsec: 1)]
  for index in 0..<smallFileCount {
    let temporary = "\(folder)/.\(index).new"
    let file = try openNew(temporary)
    try SmallFile.write(content, to: file.raw, subject: temporary)
    guard futimens(file.raw, times) == 0 else { throw PlatformError.last("futimens", temporary) }
    guard rename(temporary, "\(folder)/\(index)") == 0 else {
      throw PlatformError.last("rename", temporary)
    }
  }
}

private func openNew(_ path: String) throws -> Descriptor {
  let raw = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
  guard raw >= 0 else { throw PlatformError.last("open", path) }
  return Descriptor(owning: raw)
}

private func flush(_ folder: String) throws { try runCommand(["sync", "-f", folder]) }
