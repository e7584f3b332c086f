import Glibc
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
    #expect(!FileLock.isHeld(path))
  }

  @Test func aFileThatItsHolderHasRemovedIsMadeAgain() throws {
    let directory = try TemporaryDirectory()
    let path = "\(directory.path)/lock"
    let first = try #require(try FileLock.take(path, flags: O_CREAT))
    #expect(unlink(path) == 0)
    let second = try #require(try FileLock.take(path, flags: O_CREAT))
    #expect(first.raw != second.raw && FileLock.isHeld(path))
  }

  @Test func aLinkIsNotFollowed() throws {
    let directory = try TemporaryDirectory()
    let path = "\(directory.path)/lock"
    #expect(symlink("\(directory.path)/target", path) == 0)
    #expect(throws: PlatformError.self) { try FileLock.take(path, flags: O_CREAT) }
    #expect(access("\(directory.path)/target", F_OK) != 0)
  }
}
