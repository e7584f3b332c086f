import Glibc
import Platform

/// A flag that a `poll` can wait for: a pipe whose read end becomes readable when it is raised.
final class CancelPipe: Sendable {
  private let pipe: Pipe

  init() throws(PlatformError) {
    pipe = try Pipe()
    try pipe.write.setNonblocking()
  }

  /// Readable once raised; never read, so it stays so.
  var descriptor: Int32 { pipe.read.raw }

  func raise() {
    var byte: UInt8 = 1
    _ = retryingOnInterrupt { write(pipe.write.raw, &byte, 1) }
  }
}

/// Variables a child gets. Everything else stays behind: an environment is where secrets get lost.
func keptEnvironment() -> [String] {
  StartedProcess.environment(keeping: [
    "PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "SWIFT_BACKTRACE",
  ])
}
