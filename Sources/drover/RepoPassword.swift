import BackupRepository
import Glibc
import Platform

/// The password of a repository: from a command, a file, the environment, the terminal or standard
/// input, in this order.
struct RepoPassword {
  /// Longest password; nobody types more.
  private static let byteCountMax = 64 << 10
  /// How long a read of the terminal may take to notice an interruption.
  private static let pollMilliseconds: Int32 = 200

  let options: RepoOptions
  let isInterrupted: @Sendable () -> Bool

  /// Asks once; twice on a terminal when `isNew`.
  ///
  /// `inputIsTaken` when standard input holds something else.
  /// - Throws: `RepositoryError.usage`, `.platform`, `.cancelled`.
  func obtain(isNew: Bool = false, inputIsTaken: Bool = false) throws(RepositoryError) -> [UInt8] {
    if options.insecureNoPassword {
      guard try configured() == nil else {
        throw .usage("--insecure-no-password was given, and a password as well")
      }
      return []
    }
    var password = try configured()
    if password == nil {
      guard !inputIsTaken else {
        throw .usage(
          "standard input cannot hold both the password and the data; set --password-file")
      }
      password = try asked(isNew: isNew)
    }
    guard let password, !password.isEmpty else {
      throw .usage("the password is empty; --insecure-no-password takes an empty one")
    }
    return password
  }

  private func configured() throws(RepositoryError) -> [UInt8]? {
    if options.passwordFile != nil, options.passwordCommand != nil {
      throw .usage("--password-file and --password-command exclude each other")
    }
    if let command = options.passwordCommand { return try output(of: command) }
    if let file = options.passwordFile { return try contents(of: file) }
    let file = RepoEnvironment["RESTIC_PASSWORD_FILE"]
    if let command = RepoEnvironment["RESTIC_PASSWORD_COMMAND"] {
      guard file == nil else {
        throw .usage("RESTIC_PASSWORD_FILE and RESTIC_PASSWORD_COMMAND exclude each other")
      }
      return try output(of: command)
    }
    if let file { return try contents(of: file) }
    return RepoEnvironment.bytes("RESTIC_PASSWORD")
  }

  private func contents(of file: String) throws(RepositoryError) -> [UInt8] {
    do throws(PlatformError) {
      let bytes = try SmallFile.read(file, sizeBytesMax: RepoPassword.byteCountMax)
      return RepoText.trimmed(RepoText.decoded(bytes))
    } catch {
      throw .platform(error)
    }
  }

  private func output(of command: String) throws(RepositoryError) -> [UInt8] {
    let words = try RepoPassword.words(of: command)
    let result: (output: [UInt8], ending: StartedProcess.Ending)
    do throws(PlatformError) {
      result = try CommandOutput.run(words, sizeBytesMax: RepoPassword.byteCountMax)
    } catch {
      throw .platform(error)
    }
    guard result.ending == .exited(code: 0) else {
      throw .usage("the password command failed (\(result.ending))")
    }
    return RepoText.trimmed(result.output)
  }

  /// The words of a command line; quotes and backslashes as in a shell, nothing is expanded.
  static func words(of command: String) throws(RepositoryError) -> [String] {
    var words: [String] = []
    var word: String?
    var quote: Character?
    var isEscaped = false
    for letter in command {
      if isEscaped {
        word = (word ?? "") + String(letter)
        isEscaped = false
      } else if letter == "\\", quote != "'" {
        isEscaped = true
      } else if letter == quote {
        quote = nil
      } else if quote == nil, letter == "'" || letter == "\"" {
        quote = letter
        word = word ?? ""
      } else if quote == nil, letter.isWhitespace {
        if let done = word { words.append(done) }
        word = nil
      } else {
        word = (word ?? "") + String(letter)
      }
    }
    guard quote == nil, !isEscaped else { throw .usage("the password command ends in a quote") }
    if let word { words.append(word) }
    guard !words.isEmpty else { throw .usage("the password command is empty") }
    return words
  }

  // MARK: Asking

  private func asked(isNew: Bool) throws(RepositoryError) -> [UInt8] {
    guard Terminal.isTerminal(0) else { return try line() }
    let password = try prompted("enter password for \(isNew ? "new " : "")repository: ")
    if isNew {
      guard try prompted("enter password again: ") == password else {
        throw .usage("the passwords do not match")
      }
    }
    return password
  }

  private func prompted(_ text: String) throws(RepositoryError) -> [UInt8] {
    var before = termios()
    guard tcgetattr(0, &before) == 0 else { return try line() }
    var silent = before
    silent.c_lflag &= ~tcflag_t(ECHO)
    tcsetattr(0, TCSAFLUSH, &silent)
    defer {
      tcsetattr(0, TCSAFLUSH, &before)
      Console.standard.complain("")
    }
    // A prompt that cannot be written does not matter.
    try? SmallFile.write(Array(text.utf8), to: 2, subject: "standard error")
    return try line()
  }

  /// A line of standard input, byte by byte: what follows is not ours.
  private func line() throws(RepositoryError) -> [UInt8] {
    var line: [UInt8] = []
    while true {
      if isInterrupted() { throw .cancelled }
      var waiting = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
      guard poll(&waiting, 1, RepoPassword.pollMilliseconds) != 0 else { continue }
      var byte: UInt8 = 0
      let count = retryingOnInterrupt { read(0, &byte, 1) }
      if count < 0 { throw .platform(.last("read", "standard input")) }
      if count == 0 || byte == UInt8(ascii: "\n") { break }
      guard line.count < RepoPassword.byteCountMax else {
        throw .usage("the password is longer than \(RepoPassword.byteCountMax) bytes")
      }
      line.append(byte)
    }
    if line.last == UInt8(ascii: "\r") { line.removeLast() }
    return line
  }
}
