import CPlatform
import Glibc

/// A joinable thread that runs one closure and keeps its result.
package final class Thread<Value: Sendable>: @unchecked Sendable {
  private let slot: ThreadSlot<Value>
  private let handle: pthread_t
  private var joined = false

  /// Starts `body` on a new thread. `name` is at most 15 bytes and shows in debuggers.
  package init(_ name: String, _ body: @escaping @Sendable () throws -> Value) {
    let slot = ThreadSlot<Value>()
    self.slot = slot
    self.handle = startThread(ThreadStart(name: name) { slot.result = Result { try body() } })
  }

  /// Waits for the end of the thread and gives its result. Called exactly once for each thread.
  @discardableResult
  package func join() throws -> Value {
    precondition(!joined, "a thread is joined once")
    joined = true
    pthread_join(handle, nil)
    guard let result = slot.result else { preconditionFailure("a thread ended without a result") }
    return try result.get()
  }
}

/// Starts a thread that nobody joins; whoever starts it hears of its end in a way of its own.
/// `stackSizeBytes` is that of the system when nil.
package func startDetachedThread(
  _ name: String, stackSizeBytes: Int? = nil, _ body: @escaping @Sendable () -> Void
) {
  pthread_detach(startThread(ThreadStart(name: name, body: body), stackSizeBytes: stackSizeBytes))
}

private final class ThreadSlot<Value>: @unchecked Sendable {
  var result: Result<Value, any Error>?
}

private final class ThreadStart: @unchecked Sendable {
  let name: String
  let body: @Sendable () -> Void
  init(name: String, body: @escaping @Sendable () -> Void) {
    self.name = name
    self.body = body
  }
}

private func startThread(_ start: ThreadStart, stackSizeBytes: Int? = nil) -> pthread_t {
  let context = Unmanaged.passRetained(start).toOpaque()
  var handle = pthread_t()
  var attributes = pthread_attr_t()
  pthread_attr_init(&attributes)
  defer { pthread_attr_destroy(&attributes) }
  if let stackSizeBytes {
    let code = pthread_attr_setstacksize(&attributes, stackSizeBytes)
    precondition(code == 0, "a stack of \(stackSizeBytes) bytes cannot be had")
  }
  let code = pthread_create(
    &handle, &attributes,
    { context in
      guard let context else { return nil }
      let start = Unmanaged<ThreadStart>.fromOpaque(context).takeRetainedValue()
      _ = start.name.withCString { drover_set_thread_name($0) }
      start.body()
      return nil
    }, context)
  precondition(code == 0, "pthread_create failed: \(PlatformError.reason(of: code))")
  return handle
}
