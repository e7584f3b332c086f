import Platform

/// Starts a program that the kernel kills when the test process ends, however it ends.
///
/// The kernel acts when the *thread* that started a program ends, so all are started by one that
/// never does. `path` is found by `PATH` when it holds no slash. Calls `setpriv`, which becomes
/// the program.
func startLastingChild(
  _ path: String, _ arguments: [String], environment: [String: String] = [:]
) throws -> ChildProcess {
  try lastingStarter.start {
    try ChildProcess(
      "setpriv", ["--pdeathsig", "KILL", path] + arguments, environment: environment)
  }
}

private let lastingStarter = LastingStarter()

/// A thread that runs one piece of work after the other until the process ends.
private final class LastingStarter: @unchecked Sendable {
  private typealias Work = @Sendable () throws -> ChildProcess
  private let lock = Lock()
  private let changed: Condition
  private var waiting: [(work: Work, answer: Answer)] = []

  /// Where the caller finds what became of its work.
  private final class Answer: @unchecked Sendable {
    var result: Result<ChildProcess, any Error>?
  }

  init() {
    changed = Condition(lock)
    startBackgroundThread { self.run() }
  }

  func start(_ work: @escaping @Sendable () throws -> ChildProcess) throws -> ChildProcess {
    let answer = Answer()
    let result = lock.withLock {
      waiting.append((work, answer))
      changed.broadcast()
      while true {
        if let result = answer.result { return result }
        changed.wait()
      }
    }
    return try result.get()
  }

  private func run() {
    while true {
      let next = lock.withLock {
        while waiting.isEmpty { changed.wait() }
        return waiting.removeFirst()
      }
      let result = Result { try next.work() }
      lock.withLock {
        next.answer.result = result
        changed.broadcast()
      }
    }
  }
}
