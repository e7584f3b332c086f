import Glibc

private final class BackgroundWork: @unchecked Sendable {
  let body: @Sendable () -> Void
  init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

/// Runs `body` on a thread that nobody waits for.
func startBackgroundThread(_ body: @escaping @Sendable () -> Void) {
  let context = Unmanaged.passRetained(BackgroundWork(body)).toOpaque()
  var handle = pthread_t()
  let code = pthread_create(
    &handle, nil,
    { context in
      guard let context else { return nil }
      Unmanaged<BackgroundWork>.fromOpaque(context).takeRetainedValue().body()
      return nil
    }, context)
  precondition(code == 0, "pthread_create failed")
  pthread_detach(handle)
}
