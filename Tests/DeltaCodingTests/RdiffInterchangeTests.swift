import DeltaCoding
import Glibc
import Platform
import Testing

/// Files exchanged with the `rdiff` tool of librsync, in both directions.
@Suite struct RdiffInterchangeTests {
  @Test(arguments: [1, 2, 3, 4, 5])
  func rdiffReadsAndWritesOurFiles(seed: Int) throws {
    var random = Generator(seed: UInt64(seed))
    let old = random.bytes(50_000 + random.below(50_000))
    let new = random.edited(old)
    let buffers = DeltaBuffers()
    let folder = try Folder()
    try folder.write("old", old)
    try folder.write("new", new)

    let signature = try makeSignature(old, blockLength: 512, buffers: buffers)
    try folder.run([
      "rdiff", "-H", "md4", "-R", "rabinkarp", "-b", "512", "-S", "8", "signature", "old", "sig",
    ])
    #expect(try folder.read("sig") == signature)

    try folder.run(["rdiff", "delta", "sig", "new", "delta"])
    let theirs = try folder.read("delta")
    #expect(try applyDelta(theirs, to: old, limit: new.count, buffers: buffers) == new)

    try folder.write("ours", makeDelta(signature, new, buffers: buffers))
    try folder.run(["rdiff", "patch", "old", "ours", "rebuilt"])
    #expect(try folder.read("rebuilt") == new)
  }
}

/// A folder that goes away with its owner.
private final class Folder {
  let path: String

  init() throws {
    path = "/tmp/drover-rdiff-\(hex(SecureRandom.bytes(8)))"
    guard mkdir(path, 0o700) == 0 else { throw PlatformError.last("mkdir", path) }
  }

  deinit {
    for name in ["old", "new", "sig", "delta", "ours", "rebuilt"] { unlink("\(path)/\(name)") }
    rmdir(path)
  }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    guard let file = fopen("\(path)/\(name)", "wx") else { throw PlatformError.last("fopen", name) }
    defer { fclose(file) }
    guard fwrite(bytes, 1, bytes.count, file) == bytes.count else {
      throw PlatformError.last("fwrite", name)
    }
  }

  func read(_ name: String) throws -> [UInt8] {
    guard let file = fopen("\(path)/\(name)", "r") else { throw PlatformError.last("fopen", name) }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    let count = fread(&bytes, 1, bytes.count, file)
    return Array(bytes.prefix(count))
  }

  func run(_ words: [String]) throws {
    let line = "cd \(path) && \(words.joined(separator: " "))"
    let words: [String] = ["sh", "-c", line]
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
    arguments.append(nil)
    defer { for argument in arguments { free(argument) } }
    var child = pid_t()
    let code = posix_spawn(&child, "/bin/sh", nil, nil, &arguments, nil)
    guard code == 0 else { throw PlatformError("posix_spawn", line, errno: code) }
    var status: Int32 = 0
    guard retryingOnInterrupt({ waitpid(child, &status, 0) }) == child else {
      throw PlatformError.last("waitpid", line)
    }
    #expect(status == 0, "\(line)")
  }
}
