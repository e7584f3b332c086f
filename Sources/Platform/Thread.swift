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

private func startThread(_ start: ThreadStart) -> pthread_t {
  let context = Unmanaged.passRetained(start).toOpaque()
  var handle = pthread_t()
  let code = pthread_create(
    &handle, nil,
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
