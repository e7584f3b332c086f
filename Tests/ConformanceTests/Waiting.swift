import Glibc
import Platform
import TestSupport

/// Waits until something holds. What does not come within five minutes is a failure, told with the
/// state of things; the limit shows a test that hangs, and says nothing about speed.
func waitFor(
  _ what: String, telling state: () throws -> String = { "" }, _ holds: () throws -> Bool
) throws {
  let deadline = MonotonicTime.now().advanced(bySeconds: 300)
  while try !holds() {
    guard MonotonicTime.now() < deadline else {
      throw TestFailure("\(what) does not come: \(try state())")
    }
    usleep(20_000)
  }
}
