import Glibc
package import Platform

/// A program whose standard input and output are the stream, such as `ssh`. The program lives no
/// longer than the thread that has made this.
package final class ProgramStream: ByteStream, @unchecked Sendable {
  /// How a program has ended, and the last lines of its standard error.
  package struct End: Sendable {
    /// As a shell gives it: 128 and the number of the signal.
    package var code: Int32
    package var messages: [String]
  }

  private static let messageCountMax = 10
  /// How long a program may take to end once its input has.
  private static let graceSeconds = 5.0

  private let stream: DescriptorStream
  private let process: StartedProcess
  private let complaints: Thread<[String]>

  /// - Throws: `TransportError.system`.
  package init(
    executable: String, arguments: [String], environment: [String], peerDescription: String,
    timeouts: StreamTimeouts, wakeup: Wakeup? = nil
  ) throws(TransportError) {
    let (process, ours, errors) = try ProgramStream.start(executable, arguments, environment)
    self.process = process
    complaints = Thread("program errors") {
      var lines: [String] = []
      TextLines.read(errors) { lines = lines.suffix(ProgramStream.messageCountMax - 1) + [$0] }
      return lines
    }
    do throws(TransportError) {
      stream = try DescriptorStream(
        reading: ours, writing: ours, peerDescription: peerDescription, timeouts: timeouts,
        wakeup: wakeup)
    } catch {
      process.signalGroup(SIGKILL)
      _ = process.reap()
      throw error
    }
  }

  /// The program, our end of its input and output, and its standard error; the other ends are the
  /// program's alone.
  private static func start(
    _ executable: String, _ arguments: [String], _ environment: [String]
  ) throws(TransportError) -> (StartedProcess, SharedDescriptor, SharedDescriptor) {
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    guard unsafe socketpair(AF_UNIX, type, 0, &ends) == 0 else {
      throw .system(.last("socketpair"))
    }
    let (ours, theirs) = (SharedDescriptor(owning: ends[0]), SharedDescriptor(owning: ends[1]))
    do throws(PlatformError) {
      let errors = try Pipe()
      let process = try withExtendedLifetime((theirs, errors)) { () throws(PlatformError) in
        try StartedProcess(
          executable: executable, arguments: arguments, environment: environment,
          descriptors: [theirs.raw, theirs.raw, errors.write.raw, -1, -1])
      }
      return (process, ours, errors.read)
    } catch {
      throw .system(error)
    }
  }

  package func read(into buffer: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int {
    try unsafe stream.read(into: buffer)
  }

  package func write(_ buffer: UnsafeRawBufferPointer) throws(TransportError) {
    try unsafe stream.write(buffer)
  }

  package func finish() throws(TransportError) { try stream.finish() }
  package func abort() { stream.abort() }
  package var peerDescription: String { stream.peerDescription }
  package var wireBytes: WireBytes { stream.wireBytes }

  /// Ends the input; the output is read by whoever waits for it, or dropped by ``end()``.
  package func close() {
    do throws(TransportError) { try finish() } catch {
      // The program has gone: ``end()`` tells how.
    }
  }

  /// Ends the program's input, waits a moment for its end, and ends it. Called once, by the thread
  /// that has made this, when nothing reads or writes any more.
  package func end() -> End {
    close()
    var entry = pollfd(fd: process.end.raw, events: Int16(POLLIN), revents: 0)
    let timeout = Int32(ProgramStream.graceSeconds * 1000)
    let count = retryingOnInterrupt { unsafe poll(&entry, 1, timeout) }
    if count == 0 { process.signal(SIGTERM) }
    stream.abort()
    if count == 0 { _ = retryingOnInterrupt { unsafe poll(&entry, 1, timeout) } }
    process.signalGroup(SIGKILL)
    let ending = process.reap()
    // Its body throws nothing.
    let messages = (try? complaints.join()) ?? []
    switch ending {
    case .exited(let code): return End(code: code, messages: messages)
    case .killed(let signal): return End(code: 128 + signal, messages: messages)
    }
  }
}

/// Lines that a program prints, for people.
enum TextLines {
  private static let lineSizeBytesMax = 4096

  /// Reads to the end; `line` gets each line that is not empty, cut to a bounded size.
  static func read(_ descriptor: SharedDescriptor, _ line: (String) -> Void) {
    var pending: [UInt8] = []
    func take() {
      let text = printable(pending.filter { $0 != 0x0d })
      pending = []
      if !text.isEmpty { line(text) }
    }
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let size = buffer.count
      let count = unsafe buffer.withUnsafeMutableBytes { bytes in
        retryingOnInterrupt { unsafe Glibc.read(descriptor.raw, bytes.baseAddress, size) }
      }
      if count <= 0 { break }
      for byte in buffer[..<count] {
        if byte == 0x0a { take() } else if pending.count < lineSizeBytesMax { pending.append(byte) }
      }
    }
    take()
  }
}

/// Programs of the system.
package enum SystemProgram {
  /// The path of a program, looked for in `PATH` and where servers stand; nil when there is none.
  package static func find(_ name: String) -> String? {
    let variable = StartedProcess.environment(keeping: ["PATH"]).first?.dropFirst("PATH=".count)
    let places = "\(variable ?? "")" + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
    for directory in places.split(separator: ":") where directory.hasPrefix("/") {
      let path = "\(directory)/\(name)"
      if unsafe access(path, X_OK) == 0 { return path }
    }
    return nil
  }

  /// Where programs are, and no more of our own environment.
  package static var environment: [String] {
    StartedProcess.environment(keeping: ["PATH", "HOME", "USER", "LOGNAME"]) + ["LC_ALL=C"]
  }
}
