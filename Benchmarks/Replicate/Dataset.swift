import Glibc
import Platform

/// What is replicated: a kernel's source tree, or a disk image alone in a directory.
enum Dataset: String {
  case tree, image

  /// The version whose ratios the thresholds were set with.
  private static let kernelPackage = "linux-source-6.1"
  private static let imageSeed: UInt64 = 1

  func sourcePath(in work: String) -> String { "\(work)/\(rawValue)" }

  /// Makes the data below `work` unless it stands there already, and reads it once, so that the
  /// first measurement does not pay for a cold cache.
  func prepare(in work: String) throws {
    let path = sourcePath(in: work)
    switch self {
    case .tree:
      if access(path, F_OK) != 0 { try Dataset.makeTree(at: path, work: work) }
    case .image:
      if access("\(path)/disk.img", F_OK) != 0 {
        try Dataset.tree.prepare(in: work)
        try Dataset.makeImage(at: path, textFrom: Dataset.tree.sourcePath(in: work))
      }
    }
    try Dataset.warm(path)
  }

  /// Reads every file below `path` into the page cache.
  static func warm(_ path: String) throws {
    try runCommand(["sh", "-c", "find \"$0\" -type f -exec cat {} + >/dev/null", path])
  }

  /// Debian's kernel source: about 84,000 entries, 1.4 GB, with a folder of odd entries added.
  private static func makeTree(at path: String, work: String) throws {
    remark("unpacking \(kernelPackage)")
    let unpacked = "\(work)/unpacked"
    let script = """
      set -eu
      rm -rf "$1" && mkdir -p "$1" "$2.new" && cd "$1"
      archive=/usr/src/$0.tar.xz
      if [ ! -e "$archive" ]; then
        apt-get -qq download "$0"
        dpkg-deb -x "$0"_*.deb .
        archive=$PWD/usr/src/$0.tar.xz
      fi
      tar -xf "$archive" -C "$2.new" --strip-components=1
      rm -rf "$1"
      """
    try runCommand(["bash", "-c", script, kernelPackage, unpacked, path])
    try addOddEntries(to: "\(path).new")
    guard rename("\(path).new", path) == 0 else { throw PlatformError.last("rename", path) }
  }

  private static func addOddEntries(to path: String) throws {
    let folder = "\(path)/\(TreeMutation.untouchedFolder)"
    let longName = String(repeating: "n", count: 200)
    let script = """
      set -eu
      mkdir "$0" && cd "$0"
      for i in $(seq 200); do ln ../kernel/fork.c "hard-link-$i"; done
      for i in $(seq 50); do echo "$i" >"$1$i"; done
      mkfifo fifo
      truncate -s 64M sparse
      printf end | dd of=sparse bs=1 seek=50000000 conv=notrunc status=none
      chmod 4755 hard-link-1
      """
    try runCommand(["bash", "-c", script, folder, longName])
  }

  /// 4 GiB: a quarter hole, a quarter text of the tree's drivers, a half random bytes.
  private static func makeImage(at path: String, textFrom tree: String) throws {
    remark("writing a 4 GiB image")
    let quarterBytes = 1 << 30
    mkdir(path, 0o755)
    let temporary = "\(path)/disk.img.new"
    let raw = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard raw >= 0 else { throw PlatformError.last("open", temporary) }
    let file = Descriptor(owning: raw)
    guard ftruncate(file.raw, 4 * quarterBytes) == 0 else {
      throw PlatformError.last("ftruncate", temporary)
    }
    try writeText(from: "\(tree)/drivers", to: file.raw, at: quarterBytes, count: quarterBytes)
    var generator = SeededGenerator(seed: imageSeed)
    var piece = [UInt8](repeating: 0, count: 1 << 20)
    for offset in stride(from: 2 * quarterBytes, to: 4 * quarterBytes, by: piece.count) {
      piece.withUnsafeMutableBytes { generator.fill($0) }
      try write(piece[...], to: file.raw, at: offset)
    }
    guard rename(temporary, "\(path)/disk.img") == 0 else {
      throw PlatformError.last("rename", temporary)
    }
  }

  /// The files of `folder` one after the other, each from a page boundary on, repeated to `count`.
  private static func writeText(
    from folder: String, to file: Int32, at start: Int, count: Int
  ) throws {
    let paths = try filePaths(in: folder)
    guard !paths.isEmpty else { throw BenchmarkError("\(folder) has no files to take text from") }
    var written = 0
    while written < count {
      for path in paths where written < count {
        var text = try SmallFile.read(path, sizeBytesMax: 64 << 20)
        text.append(contentsOf: [UInt8](repeating: 0, count: (4096 - text.count % 4096) % 4096))
        let piece = text.prefix(count - written)
        try write(piece, to: file, at: start + written)
        written += piece.count
      }
    }
  }

  /// The regular files below `folder`, in an order that does not depend on the file system.
  static func filePaths(in folder: String) throws -> [String] {
    try ChildProcess.capture(["find", folder, "-type", "f"]).split(separator: "\n")
      .map(String.init).sorted()
  }

  static func write(_ bytes: ArraySlice<UInt8>, to file: Int32, at start: Int) throws {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        retryingOnInterrupt {
          pwrite(
            file, buffer.baseAddress.map { $0 + done }, buffer.count - done, off_t(start + done))
        }
      }
      guard count > 0 else { throw PlatformError.last("pwrite") }
      done += count
    }
  }
}
