import CPlatform
import Glibc
import Platform

struct SpawnedProcess {
  var processID: pid_t
  var input: Int32
  var output: Int32
  var errorOutput: Int32
}

/// `posix_spawnp` with three pipes; signals that this process ignores or blocks are normal again in
/// the child.
func spawn(
  _ path: String, _ arguments: [String], _ environment: [String: String]
) throws -> SpawnedProcess {
  // A child that ends early must not take the test process with it.
  signal(SIGPIPE, SIG_IGN)
  let input = try makePipe()
  let output = try makePipe()
  let errorOutput = try makePipe()
  defer {
    close(input.read)
    close(output.write)
    close(errorOutput.write)
  }
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  posix_spawn_file_actions_adddup2(&actions, input.read, 0)
  posix_spawn_file_actions_adddup2(&actions, output.write, 1)
  posix_spawn_file_actions_adddup2(&actions, errorOutput.write, 2)
  var attributes = posix_spawnattr_t()
  posix_spawnattr_init(&attributes)
  defer { posix_spawnattr_destroy(&attributes) }
  var signals = sigset_t()
  sigemptyset(&signals)
  posix_spawnattr_setsigmask(&attributes, &signals)
  sigaddset(&signals, SIGPIPE)
  posix_spawnattr_setsigdefault(&attributes, &signals)
  posix_spawnattr_setflags(
    &attributes, Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF))
  var processID = pid_t()
  let code = withCStrings([path] + arguments) { argv in
    withCStrings(variables(adding: environment)) { envp in
      posix_spawnp(&processID, path, &actions, &attributes, argv, envp)
    }
  }
  guard code == 0 else {
    close(input.write)
    close(output.read)
    close(errorOutput.read)
    throw PlatformError("posix_spawnp", path, errno: code)
  }
  return SpawnedProcess(
    processID: processID, input: input.write, output: output.read, errorOutput: errorOutput.read)
}

private func makePipe() throws -> (read: Int32, write: Int32) {
  var ends: (Int32, Int32) = (-1, -1)
  let code = withUnsafeMutableBytes(of: &ends) {
    drover_pipe_cloexec($0.baseAddress?.assumingMemoryBound(to: Int32.self))
  }
  guard code == 0 else { throw PlatformError.last("pipe2") }
  return ends
}

private func variables(adding environment: [String: String]) -> [String] {
  var result: [String] = []
  var entry = drover_environ()
  while let text = entry?.pointee {
    let variable = String(cString: text)
    let name = String(variable.prefix { $0 != "=" })
    if environment[name] == nil { result.append(variable) }
    entry = entry?.advanced(by: 1)
  }
  return result + environment.map { "\($0.key)=\($0.value)" }
}

private func withCStrings<R>(
  _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> R
) -> R {
  var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
  pointers.append(nil)
  defer { for pointer in pointers { free(pointer) } }
  return pointers.withUnsafeBufferPointer { buffer in
    guard let base = buffer.baseAddress else { preconditionFailure("the list ends in nil") }
    return body(base)
  }
}
