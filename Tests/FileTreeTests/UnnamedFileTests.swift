import Glibc
import Platform
import TestSupport
import Testing

@testable import FileTree

/// Files that get their name when they are complete.
@Suite struct UnnamedFileTests {
  private static let temporary = TemporaryName.make(1)

  private final class Bench {
    let directory: TemporaryDirectory
    let root: Descriptor
    let writer: TreeWriter

    init(_ linking: UnnamedFiles.Linking) throws {
      directory = try TemporaryDirectory()
      root = Descriptor(owning: open(directory.path, O_RDONLY | O_DIRECTORY))
      writer = TreeWriter(root: try TreeRoot(path: directory.path)) { _, _ in }
      writer.unnamed = UnnamedFiles(linking: linking)
    }

    /// Makes a file of `bytes` under `name`.
    func make(_ name: String, _ bytes: [UInt8]) throws {
      var entry = Entry()
      entry.mode = 0o640
      let file = try #require(writer.makeUnnamed(entry, in: root.raw))
      try bytes.withUnsafeBytes { try FileIO.write(file.raw, $0, at: 0) }
      try name.withCString { name in
        try writer.link(
          file, root.raw, temporary: UnnamedFileTests.temporary, to: name, path: { [] })
      }
    }

    func names() throws -> [String] {
      try ByteFiles.names(in: Array(directory.path.utf8)).map {
        String(decoding: $0, as: UTF8.self)
      }.sorted()
    }

    func read(_ name: String) throws -> [UInt8] {
      try ByteFiles.read(Array(directory.path(name).utf8))
    }
  }

  private static let ways: [UnnamedFiles.Linking] = [.untried, .byDescriptor, .byProcessPath]

  @Test(arguments: ways) func itIsThereWholeOrNotAtAll(_ linking: UnnamedFiles.Linking) throws {
    let bench = try Bench(linking)
    do {
      let file = try #require(bench.writer.makeUnnamed(Entry(), in: bench.root.raw))
      try [UInt8(1)].withUnsafeBytes { try FileIO.write(file.raw, $0, at: 0) }
      #expect(try bench.names() == [])
    }
    #expect(try bench.names() == [])
    try bench.make("a", [1, 2, 3])
    #expect(try bench.names() == ["a"])
    #expect(try bench.read("a") == [1, 2, 3])
  }

  @Test(arguments: ways) func itReplacesWhatHasTheName(_ linking: UnnamedFiles.Linking) throws {
    let bench = try Bench(linking)
    try ByteFiles.write(Array(bench.directory.path("file").utf8), [9])
    #expect(symlink("/etc/passwd", bench.directory.path("link")) == 0)
    // What an earlier run has left under the temporary name.
    try ByteFiles.write(Array(bench.directory.path(UnnamedFileTests.temporary).utf8), [8])
    for name in ["file", "link"] {
      try bench.make(name, [7])
      #expect(try bench.read(name) == [7])
      var status = stat()
      #expect(lstat(bench.directory.path(name), &status) == 0)
      #expect(status.st_mode & S_IFMT == S_IFREG)
    }
    #expect(try bench.names() == ["file", "link"])
    // A directory is not replaced, and nothing is left beside it.
    #expect(mkdir(bench.directory.path("directory"), 0o700) == 0)
    #expect(throws: TreeError.self) { try bench.make("directory", [7]) }
    #expect(try bench.names() == ["directory", "file", "link"])
  }

  @Test func whereItCannotBeNamedItIsNotMade() throws {
    let bench = try Bench(.impossible)
    #expect(bench.writer.makeUnnamed(Entry(), in: bench.root.raw) == nil)
    // A file system without such files.
    let writer = TreeWriter(root: try TreeRoot(path: "/proc")) { _, _ in }
    let proc = Descriptor(owning: open("/proc", O_RDONLY | O_DIRECTORY))
    #expect(writer.makeUnnamed(Entry(), in: proc.raw) == nil)
    #expect(writer.unnamed.linking == .impossible)
  }
}
