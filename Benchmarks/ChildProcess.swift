import Glibc
import Platform

/// A program that the benchmark has started and waits for.
struct ChildProcess {
  let pid: pid_t
  /// How messages name it.
  let name: String
  let outputPath: String

  /// Starts `command`, found by PATH, without input; what it writes goes to the file `output`.
  static func start(
    _ command: [String], named name: [String]? = nil, output: String
  ) throws -> ChildProcess {
    let pid = try spawn(command) { actions in
      posix_spawn_file_actions_addopen(
        &actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
      posix_spawn_file_actions_adddup2(&actions, 1, 2)
    }
    return ChildProcess(
      pid: pid, name: (name ?? command).joined(separator: " "), outputPath: output)
  }

  /// Starts `command` with this program's own standard output and error.
  static func start(_ command: [String]) throws -> ChildProcess {
    let pid = try spawn(command) { _ in }
    return ChildProcess(pid: pid, name: command.joined(separator: " "), outputPath: "")
  }

  /// The exit code, or 128 and the number of the signal that ended it.
  func wait() throws -> Int32 { try ChildProcess.wait(for: pid) }

  /// Waits, and throws with the end of the output when the exit code is not 0.
  func waitForSuccess() throws {
    let code = try wait()
    guard code == 0 else {
      throw BenchmarkError("\(name): exit code \(code): \(tail(of: outputPath))")
    }
  }

  /// Waits, and gives the exit code with what the process and those it waited for have used.
  func waitForUsage() throws -> (code: Int32, usage: rusage) {
    var status: Int32 = 0
    var usage = rusage()
    guard retryingOnInterrupt({ wait4(pid, &status, 0, &usage) }) == pid else {
      throw PlatformError.last("wait4")
    }
    return (ChildProcess.exitCode(status), usage)
  }

  /// Asks it to end, and waits.
  func terminate() {
    kill(pid, SIGTERM)
    // It ends by our signal; its exit code says nothing.
    _ = try? wait()
  }

  private static func wait(for pid: pid_t) throws -> Int32 {
    var status: Int32 = 0
    guard retryingOnInterrupt({ waitpid(pid, &status, 0) }) == pid else {
      throw PlatformError.last("waitpid")
    }
    return exitCode(status)
  }

  private static func exitCode(_ status: Int32) -> Int32 {
    let signal = status & 0x7f
    return signal == 0 ? (status >> 8) & 0xff : 128 + signal
  }

  /// Runs `command` to its end and gives what it wrote to standard output.
  static func capture(_ command: [String]) throws -> String {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw PlatformError.last("pipe") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    let readEnd = Descriptor(owning: ends[0])
    let pid = try spawn(command, closing: Descriptor(owning: ends[1])) { actions in
      posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    }
    let text = try readAll(readEnd.raw)
    let code = try wait(for: pid)
    guard code == 0 else {
      throw BenchmarkError("\(command.joined(separator: " ")): exit code \(code)")
    }
    return text
  }

  private static func readAll(_ descriptor: Int32) throws -> String {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = retryingOnInterrupt { read(descriptor, &buffer, buffer.count) }
      guard count >= 0 else { throw PlatformError.last("read") }
      if count == 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += buffer[..<count]
    }
  }

  /// Starts `command`; `unused` is closed here once the child has its own.
  private static func spawn(
    _ command: [String], closing unused: consuming Descriptor? = nil,
    _ configure: (inout posix_spawn_file_actions_t) -> Void
  ) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    configure(&actions)
    var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
    arguments.append(nil)
    defer { for argument in arguments { free(argument) } }
    var pid: pid_t = 0
    let code = posix_spawnp(&pid, command[0], &actions, nil, arguments, environ)
    guard code == 0 else { throw PlatformError("posix_spawn", command[0], errno: code) }
    return pid
  }
}

/// Runs a command to its successful end; what it says is shown only when it fails.
func runCommand(_ command: [String]) throws {
  let log = "/tmp/drover-benchmarks.\(getpid()).log"
  defer { unlink(log) }
  try ChildProcess.start(command, output: log).waitForSuccess()
}

/// The last 600 bytes of a file, for a message; empty when it cannot be read.
func tail(of path: String) -> String {
  guard let bytes = try? SmallFile.read(path, sizeBytesMax: 64 << 20) else {
    return ""  // The message goes out without it.
  }
  return printable(bytes.suffix(600).map { $0 == 10 ? 32 : $0 })
}
