import CPlatform
import Glibc
import Platform

/// Variables a child gets. Everything else stays behind: an environment is where secrets get lost.
private let keptVariables: Set<String> = [
  "PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "SWIFT_BACKTRACE",
]

private func environment() -> [String] {
  var result: [String] = []
  guard var entry = drover_environ() else { return result }
  while let pointer = entry.pointee {
    let text = String(cString: pointer)
    if keptVariables.contains(String(text.prefix { $0 != "=" })) { result.append(text) }
    entry += 1
  }
  return result
}

/// Starts a process with descriptors 0–4 from `fds`.
func spawn(_ spec: ChildSpec, _ fds: [Int32]) throws(SupervisionError) -> pid_t {
  let arguments = CStrings(spec.arguments)
  let variables = CStrings(environment())
  let pid = drover_spawn(spec.executable, arguments.pointers, variables.pointers, fds)
  guard pid > 0 else { throw .cannotStart(.last("exec", spec.executable)) }
  return pid
}

/// Waits for the end of a child that has ended or been killed.
func reap(_ pid: pid_t) -> ChildOutcome.Ending {
  var status: Int32 = 0
  let code = retryingOnInterrupt { waitpid(pid, &status, 0) }
  precondition(code == pid, "a child was reaped by somebody else")
  if drover_wait_status_exited(status) != 0 {
    return .exited(code: drover_wait_status_code(status))
  }
  return .killed(signal: drover_wait_status_signal(status))
}

/// Blocks SIGPIPE for this thread; the mask it had before.
func blockBrokenPipeSignal() -> sigset_t {
  var set = sigset_t()
  var before = sigset_t()
  sigemptyset(&set)
  sigaddset(&set, SIGPIPE)
  pthread_sigmask(SIG_BLOCK, &set, &before)
  return before
}

/// Takes a SIGPIPE that is waiting for this thread, then puts the mask back.
func restoreSignals(_ before: sigset_t) {
  var set = sigset_t()
  var before = before
  sigemptyset(&set)
  sigaddset(&set, SIGPIPE)
  var now = timespec()
  if sigismember(&before, SIGPIPE) == 0 { _ = sigtimedwait(&set, nil, &now) }
  pthread_sigmask(SIG_SETMASK, &before, nil)
}

/// A NULL-terminated array of C strings, freed at the end of its life.
private final class CStrings {
  let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
  private let count: Int

  init(_ strings: [String]) {
    count = strings.count
    pointers = .allocate(capacity: count + 1)
    for (index, string) in strings.enumerated() { pointers[index] = strdup(string) }
    pointers[count] = nil
  }

  deinit {
    for index in 0..<count { free(pointers[index]) }
    pointers.deallocate()
  }
}
