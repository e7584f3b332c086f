import CPlatform
import Glibc

/// What a command of the user prints, such as one that tells a password.
package enum CommandOutput {
  /// Runs a program found by `PATH`, with this process's environment, terminal and standard error
  /// and without standard input, and waits for its end. Signals are unblocked in it.
  ///
  /// Calls `posix_spawnp`.
  /// - Throws: ``PlatformError``; `EFBIG` when it prints more than `sizeBytesMax`.
  package static func run(
    _ words: [String], sizeBytesMax: Int
  ) throws(PlatformError) -> (output: [UInt8], ending: StartedProcess.Ending) {
    let (id, reader) = try start(words)
    let result = Result { () throws(PlatformError) in
      try SmallFile.read(
        descriptor: reader.raw, subject: words.first ?? "", sizeBytesMax: sizeBytesMax)
    }
    // One that goes on printing meets a broken pipe.
    withExtendedLifetime(reader) {}
    let ending = StartedProcess.wait(for: id)
    return (try result.get(), ending)
  }

  /// The process and what it prints; the pipe's other end is the child's alone.
  private static func start(
    _ words: [String]
  ) throws(PlatformError) -> (id: pid_t, reader: SharedDescriptor) {
    let pipe = try Pipe()
    return (try spawn(words, output: pipe.write.raw), pipe.read)
  }

  private static func spawn(_ words: [String], output: Int32) throws(PlatformError) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    var id = pid_t()
    let arguments = CStrings(words)
    let code = withExtendedLifetime(arguments) {
      posix_spawnp(
        &id, words.first ?? "", &actions, &attributes, arguments.pointers, drover_environ())
    }
    guard code == 0 else { throw PlatformError("posix_spawnp", words.first ?? "", errno: code) }
    return id
  }
}
