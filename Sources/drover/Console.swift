import Glibc
import Platform

/// Standard output and standard error of the program.
///
/// When nobody reads standard output any more, what is printed is dropped in silence: work under
/// way goes on, and the exit code tells of it alone.
final class Console: @unchecked Sendable {
  static let standard = Console()

  /// Lines are gathered to this size; a terminal gets each at once.
  private static let bufferSizeBytesMax = 32 << 10

  private let lock = Lock()
  // The following are guarded by `lock`.
  private var buffer: [UInt8] = []
  private var isBroken = false
  private var statusLine = ""

  private let isTerminal = Terminal.isTerminal(1)

  /// Prints a line on standard output, sooner or later: see ``flush()``.
  func print(_ line: String) {
    lock.withLock {
      guard !isBroken else { return }
      buffer.append(contentsOf: line.utf8)
      buffer.append(0x0a)
      if isTerminal || buffer.count >= Console.bufferSizeBytesMax { flushLocked() }
    }
  }

  func flush() {
    lock.withLock { flushLocked() }
  }

  /// Whether standard output has lost its reader.
  var hasLostReader: Bool { lock.withLock { isBroken } }

  /// Prints a line on standard error.
  func complain(_ line: String) {
    lock.withLock {
      flushLocked()
      withoutStatus { write(Array("\(line)\n".utf8), to: 2) }
    }
  }

  /// Tells a failure as the program does: one line, and one with what to do.
  func report(_ failure: any DroverError) {
    complain("drover: \(failure.description)")
    if let hint = failure.hint { complain("hint: \(hint)") }
  }

  /// Draws `line` in place of the last status line on standard error; an empty one removes it.
  func showStatus(_ line: String) {
    lock.withLock {
      guard line != statusLine else { return }
      flushLocked()
      statusLine = line
      write(Array("\r\u{1b}[K\(line)".utf8), to: 2)
    }
  }

  private func flushLocked() {
    guard !buffer.isEmpty else { return }
    if isTerminal {
      withoutStatus { isBroken = !write(buffer, to: 1) || isBroken }
    } else {
      isBroken = !write(buffer, to: 1) || isBroken
    }
    buffer.removeAll(keepingCapacity: true)
  }

  /// Takes the status line away while something else is written.
  private func withoutStatus(_ body: () -> Void) {
    if !statusLine.isEmpty { write(Array("\r\u{1b}[K".utf8), to: 2) }
    body()
    if !statusLine.isEmpty { write(Array(statusLine.utf8), to: 2) }
  }

  /// Writes all bytes; false when the descriptor takes no more.
  @discardableResult
  private func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var offset = 0
    while offset < bytes.count {
      let count = bytes.withUnsafeBytes { raw in
        retryingOnInterrupt {
          Glibc.write(descriptor, raw.baseAddress.map { $0 + offset }, raw.count - offset)
        }
      }
      if count <= 0 { return false }
      offset += count
    }
    return true
  }
}
