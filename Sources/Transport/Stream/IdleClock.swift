import Platform

/// Tells when a wait on a stream has lasted too long, by when bytes last moved.
///
/// Guarded by the lock of the stream that owns it.
struct IdleClock {
  private(set) var wire = WireBytes()
  private var lastSent = MonotonicTime.now()
  private var lastMoved = MonotonicTime.now()

  /// Takes the counts as they are now; bytes since the last time are progress.
  mutating func note(_ now: WireBytes) {
    guard now != wire else { return }
    let time = MonotonicTime.now()
    if now.sent != wire.sent { lastSent = time }
    lastMoved = time
    wire = now
  }

  /// When a wait that began at `start` is over: reading waits for any progress, everything else for
  /// bytes that leave.
  func deadline(
    of operation: TransportOperation, begun start: MonotonicTime, idleSeconds: Double?
  ) -> MonotonicTime? {
    guard let idleSeconds else { return nil }
    let progress = operation == .read ? lastMoved : lastSent
    return max(start, progress).advanced(bySeconds: idleSeconds)
  }
}
