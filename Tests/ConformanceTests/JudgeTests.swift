import Glibc
import Platform
import TestSupport
import Testing

/// The zoo, the mutator and the judge, held against each other without Drover.
@Suite struct JudgeTests {
  @Test(arguments: [1, 2] as [UInt64])
  func judgeIsSilentAboutItsOwnCopyAndSpeaksAfterAChange(seed: UInt64) throws {
    let directory = try TemporaryDirectory()
    let source = try directory.makeDirectory("source")
    let copy = try directory.makeDirectory("copy")
    try MetadataZoo.make(at: source, seed: seed)
    try RsyncJudge.copy(source: source, destination: copy)
    #expect(try RsyncJudge.differences(source: source, destination: copy) == "")
    let changes = try TreeMutator.mutate(at: source, seed: seed)
    #expect(changes.count > 40)
    #expect(try RsyncJudge.differences(source: source, destination: copy) != "")
    try RsyncJudge.copy(source: source, destination: copy)
    #expect(try RsyncJudge.differences(source: source, destination: copy) == "")
  }

  /// One small change of each kind that a replica could miss.
  @Test(arguments: [
    "chmod 0640 text", "touch -d 2001-02-03 text", "setfattr -n user.note -v x text",
    "setfattr -x security.foo text", "setfacl -m u:77:r text", "setfacl -d -m u:77:r lists",
    "chown 55 text", "chgrp 55 symlinks/dangling -h", "ln text links-0/another",
    "rm special/socket", "mkdir empty/x", "printf x >> text", "rm -r deep",
    "setfattr -n user.root -v x .", "touch -h -d 2001-02-03 symlinks/dangling",
    "printf X | dd of=text bs=1 seek=5 conv=notrunc status=none && touch -r large text",
    "setcap cap_net_raw+ep ordinary-0/file-3", "cp text text2 && rm text && mv text2 text",
  ])
  func judgeSpeaksAboutOneChange(command: String) throws {
    let zoo = try SharedZoo.shared.get()
    let directory = try TemporaryDirectory()
    let changed = try directory.makeDirectory("changed")
    try RsyncJudge.copy(source: zoo.path, destination: changed)
    try runChecked("sh", ["-c", "cd \"$1\" && \(command)", "sh", changed])
    #expect(try RsyncJudge.differences(source: zoo.path, destination: changed) != "")
  }

  @Test func zooHoldsWhatItPromises() throws {
    let root = Array(try SharedZoo.shared.get().path.utf8)
    var kinds: [mode_t: Int] = [:]
    var linked = 0
    var sparse = 0
    var depth = 0
    var isOld = false
    var isLate = false
    for path in try ByteFiles.walk(root) {
      let status = try ByteFiles.status(ByteFiles.join(root, path))
      kinds[status.st_mode & S_IFMT, default: 0] += 1
      if status.st_mode & S_IFMT != S_IFDIR, status.st_nlink > 1 { linked += 1 }
      if status.st_size > status.st_blocks * 512 + 65_536 { sparse += 1 }
      depth = max(depth, path.count { $0 == UInt8(ascii: "/") } + 1)
      if status.st_mtim.tv_sec < -1_000_000_000 { isOld = true }
      if status.st_mtim.tv_sec > 1 << 32 - 1 || status.st_mtim.tv_sec > 2_147_483_647 {
        isLate = true
      }
    }
    for kind in [S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK] {
      #expect(kinds[kind, default: 0] > 0)
    }
    #expect(linked >= 200)
    #expect(sparse >= 5)
    #expect(depth > 60)
    #expect(isOld && isLate)
  }

  @Test func mutationsOfOneSeedAreTheSame() throws {
    let directory = try TemporaryDirectory()
    let first = try directory.makeDirectory("first")
    let second = try directory.makeDirectory("second")
    try MetadataZoo.make(at: first, seed: 5)
    try MetadataZoo.make(at: second, seed: 5)
    let changes = try TreeMutator.mutate(at: first, seed: 9)
    #expect(try TreeMutator.mutate(at: second, seed: 9) == changes)
    #expect(changes != (try TreeMutator.mutate(at: second, seed: 10)))
  }
}

/// One unchanged zoo for all tests that only read it.
enum SharedZoo {
  static let shared: Result<TemporaryDirectory, any Error> = Result {
    let directory = try TemporaryDirectory()
    try MetadataZoo.make(at: directory.path, seed: 1)
    atexit { if case .success(let directory) = SharedZoo.shared { removeTree(directory.path) } }
    return directory
  }
}
