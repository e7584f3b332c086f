import Glibc
import TestSupport
import Testing

@testable import Platform

@Suite struct PrivateDirectoryTests {
  private func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  @Test func goesAwayWithWhatIsInIt() throws {
    var directory: PrivateDirectory? = try PrivateDirectory("test-a")
    let path = try #require(directory?.path)
    let file = try #require(try directory?.write("key", [1, 2]))
    let inner = try #require(try directory?.makeDirectory("inner"))
    #expect(symlink("/etc/passwd", "\(inner)/link") == 0)
    var status = stat()
    #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o700)
    #expect(stat(file, &status) == 0 && status.st_mode & 0o777 == 0o600)
    directory = nil
    #expect(!exists(path))
    #expect(exists("/etc/passwd"))
  }

  @Test func oneOfAProcessThatHasGoneIsRemovedAndALivingOneIsNot() throws {
    let living = try PrivateDirectory("test-b")
    // As a killed process leaves it: a lock that nobody holds.
    let parent = living.path.split(separator: "/").dropLast().joined(separator: "/")
    let dead = "/\(parent)/drover-test-b.dead\(getpid())"
    #expect(mkdir(dead, 0o700) == 0)
    for name in ["lock", "key"] { close(open("\(dead)/\(name)", O_WRONLY | O_CREAT, 0o600)) }
    let other = try PrivateDirectory("test-b")
    #expect(!exists(dead))
    #expect(exists(living.path))
    #expect(exists(other.path))
  }

  /// One that is just being made looks abandoned between its lock's file and the lock.
  @Test func manyAreMadeAtOnce() throws {
    let parent = try TemporaryDirectory()
    let threads = (0..<4).map { _ in
      Thread<Int>("maker") {
        var count = 0
        for _ in 0..<200 {
          let directory = try PrivateDirectory("test-c", in: parent.path)
          if access("\(directory.path)/lock", F_OK) == 0 { count += 1 }
        }
        return count
      }
    }
    for thread in threads { #expect(try thread.join() == 200) }
    #expect(try DurableFile.names(in: parent.path, countMax: 10) == [])
  }
}
