import Glibc
import Platform
import Testing

/// What a failed system call tells.
@Suite struct ErrorTests {
  @Test func lastKeepsErrnoOfTheCall() {
    #expect(open("/nonexistent/file", O_RDONLY) == -1)
    let error = PlatformError.last("open", "/nonexistent/file")
    #expect(error.errno == ENOENT)
    #expect(error.kind == .notFound)
    #expect(error.message == "/nonexistent/file: No such file or directory (open)")
  }

  @Test(arguments: [
    (EACCES, FailureKind.denied), (EROFS, .denied), (ECONNRESET, .unreachable),
    (EOPNOTSUPP, .unsupported), (EIO, .failed), (ENOSPC, .failed),
  ])
  func kindFollowsErrno(errno: Int32, kind: FailureKind) {
    #expect(PlatformError("write", "x", errno: errno).kind == kind)
  }

  @Test func fullTargetHasAHint() {
    #expect(PlatformError("write", "x", errno: ENOSPC).hint?.contains("Free space") == true)
  }
}
