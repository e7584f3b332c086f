import Manifests
import Platform
import Supervision

extension ServiceBoard {
  /// Waits for the end of a mover that an earlier process has left; false when the end shall end.
  func waitForLock(_ path: String?, for key: ObjectKey) -> Bool {
    guard let path else { return true }
    let deadline = MonotonicTime.now().advanced(bySeconds: lockSecondsMax)
    while RunLock.isHeld(path), MonotonicTime.now() < deadline {
      guard pause(seconds: 0.02, for: key) else { return false }
    }
    return true
  }
}
