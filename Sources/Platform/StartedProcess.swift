import CPlatform
import Glibc

/// A child process: its id, and a descriptor that becomes readable when it has ended.
package struct StartedProcess: Sendable {
  package enum Ending: Sendable, Equatable {
    case exited(code: Int32)
    case killed(signal: Int32)
  }

  package let id: Int32
  /// Readable once the process has ended (`pidfd_open`).
  package let end: SharedDescriptor

  /// Starts a program in a process group of its own (`fork`, `execve`).
  ///
  /// `descriptors` are the five that become 0–4; -1 stands for `/dev/null`, and every other one is
  /// closed. All signals are unblocked and at their defaults. The kernel kills the process when
  /// the calling *thread* ends: the thread that starts it also waits for it.
  ///
  /// With `user` it runs as another, without any privilege of this process; root only. The
  /// executable is then opened by this process: its user need not reach it, but may execute it.
  /// `held` stays open in it, and nothing there knows of it.
  package init(
    executable: String, arguments: [String], environment: [String], descriptors: [Int32],
    user: ProcessUser? = nil, held: Int32? = nil
  ) throws(PlatformError) {
    precondition(descriptors.count == 5, "a child has five descriptors")
    let arguments = CStrings(arguments)
    let environment = CStrings(environment)
    id = try withExtendedLifetime((arguments, environment)) { () throws(PlatformError) in
      guard let user else {
        return drover_spawn(executable, arguments.pointers, environment.pointers, descriptors)
      }
      return try user.spawn(
        executable, arguments.pointers, environment.pointers, descriptors, held: held)
    }
    guard id > 0 else { throw .last("exec", executable) }
    let raw = drover_pidfd_open(id)
    guard raw >= 0 else {
      let error = PlatformError.last("pidfd_open", executable)
      kill(id, SIGKILL)
      _ = StartedProcess.wait(for: id)
      throw error
    }
    end = SharedDescriptor(owning: raw)
  }

  /// Sends a signal to the process; nothing happens when it has been reaped.
  package func signal(_ number: Int32) { kill(id, number) }

  /// Sends a signal to the process and to all it has started in its group.
  package func signalGroup(_ number: Int32) { kill(-id, number) }

  /// Limits the size of files that it, and what it starts from now on, may write (`prlimit`).
  package func limitFileSize(_ sizeBytes: UInt64) throws(PlatformError) {
    guard drover_limit_file_size(id, sizeBytes) == 0 else { throw .last("prlimit") }
  }

  /// Waits for its end and removes it from the process table. Called once.
  package func reap() -> Ending { StartedProcess.wait(for: id) }

  static func wait(for id: Int32) -> Ending {
    var status: Int32 = 0
    let code = retryingOnInterrupt { waitpid(id, &status, 0) }
    precondition(code == id, "a child was reaped by somebody else")
    if drover_wait_status_exited(status) != 0 {
      return .exited(code: drover_wait_status_code(status))
    }
    return .killed(signal: drover_wait_status_signal(status))
  }

  /// Variables of this process, `NAME=value` each, of the given names.
  package static func environment(keeping names: Set<String>) -> [String] {
    environment.filter { names.contains(String($0.prefix { $0 != "=" })) }
  }

  /// All variables of this process, `NAME=value` each.
  package static var environment: [String] {
    var result: [String] = []
    guard var entry = drover_environ() else { return result }
    while let pointer = entry.pointee {
      result.append(String(cString: pointer))
      entry += 1
    }
    return result
  }

  /// Keeps this process out of core dumps and of other processes' sight. Calls `prctl`.
  package static func hideFromDumps() { _ = drover_set_not_dumpable() }
}

/// The two ends of a pipe, closed on exec.
package struct Pipe: Sendable {
  package let read: SharedDescriptor
  package let write: SharedDescriptor

  package init() throws(PlatformError) {
    var ends: [Int32] = [-1, -1]
    guard drover_pipe_cloexec(&ends) == 0 else { throw .last("pipe2") }
    read = SharedDescriptor(owning: ends[0])
    write = SharedDescriptor(owning: ends[1])
  }
}

extension SharedDescriptor {
  /// Makes reads and writes fail with `EAGAIN` instead of waiting. Calls `fcntl`.
  package func setNonblocking() throws(PlatformError) {
    guard drover_set_nonblocking(raw) >= 0 else { throw .last("fcntl") }
  }
}

/// A NULL-terminated array of C strings, freed at the end of its life.
final class CStrings {
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
