import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Platform

@Suite struct FileLockTests {
  @Test func oneExcludesOthersAsItsKindSays() throws {
    let directory = try TemporaryDirectory()
    let path = "\(directory.path)/lock"
    #expect(throws: PlatformError("openat", path, errno: ENOENT)) { try FileLock.take(path) }
    do {
      let lock = try #require(try FileLock.take(path, flags: O_CREAT))
      defer { withExtendedLifetime(lock) {} }
      #expect(try FileLock.take(path) == nil)
      #expect(try FileLock.take(path, .shared) == nil)
      #expect(FileLock.isHeld(path))
    }
    #expect(!FileLock.isHeld(path))
    let readers = try (0..<2).map { _ in try #require(try FileLock.take(path, .shared)) }
    defer { withExtendedLifetime(readers) {} }
    #expect(try FileLock.take(path) == nil)
  }

  @Test func oneThatIsLetGoOfIsFreeWhileAChildHasACopyOfItsDescriptor() throws {
    let directory = try TemporaryDirectory()
    let path = "\(directory.path)/lock"
    var lock = try FileLock.take(path, flags: O_CREAT)
    // As a child has it between `fork` and `execve`.
    let copy = Descriptor(owning: dup(try #require(lock).raw))
    #expect(FileLock.isHeld(path))
    lock = nil
    #expect(!FileLock.isHeld(path))
    #expect(copy.raw >= 0)
  }

  @Test func theOneOfAChildIsFreeWhenTheChildLetsGo() throws {
    let directory = try TemporaryDirectory()
    let path = "\(directory.path)/lock"
    var lock = try FileLock.takeForChild(path, flags: O_CREAT)
    do {
      let child = Descriptor(owning: dup(try #require(lock).raw))
      lock = nil
      #expect(FileLock.isHeld(path))
      #expect(child.raw >= 0)
    }
    // A program that another test is just starting has a copy, until its `execve`.
    let deadline = MonotonicTime.now().advanced(bySeconds: 60)
    while FileLock.isHeld(path) { try #require(MonotonicTime.now() < deadline) }
  }

  /// Each holder removes the file before it lets go, so that others open it and find it gone.
  @Test func onlyOneHoldsAFileThatIsRemovedAllTheTime() throws {
    let directory = try TemporaryDirectory()
    let path = "\(directory.path)/lock"
    let holders = Atomic<Int>(0)
    let threads = (0..<4).map { _ in
      Thread<Int>("holder") {
        var turns = 0
        while turns < 200 {
          guard let lock = try FileLock.take(path, flags: O_CREAT) else { continue }
          #expect(holders.add(1, ordering: .sequentiallyConsistent).newValue == 1)
          turns += 1
          holders.subtract(1, ordering: .sequentiallyConsistent)
          unlink(path)
          withExtendedLifetime(lock) {}
        }
        return turns
      }
    }
    for thread in threads { #expect(try thread.join() == 200) }
  }

  @Test func aLinkIsNotFollowed() throws {
    let directory = try TemporaryDirectory()
    let path = "\(directory.path)/lock"
    #expect(symlink("\(directory.path)/target", path) == 0)
    #expect(throws: PlatformError.self) { try FileLock.take(path, flags: O_CREAT) }
    #expect(access("\(directory.path)/target", F_OK) != 0)
  }
}
