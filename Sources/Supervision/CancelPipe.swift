import CPlatform
import Glibc
import Platform

/// A flag that a `poll` can wait for: a pipe whose read end becomes readable when it is raised.
final class CancelPipe: Sendable {
  private let readEnd: SharedDescriptor
  private let writeEnd: SharedDescriptor

  init() throws(SupervisionError) {
    (readEnd, writeEnd) = try makePipe()
    _ = drover_set_nonblocking(writeEnd.raw)
  }

  /// Readable once raised; never read, so it stays so.
  var descriptor: Int32 { readEnd.raw }

  func raise() {
    var byte: UInt8 = 1
    _ = retryingOnInterrupt { write(writeEnd.raw, &byte, 1) }
  }
}

/// A pipe whose ends are closed on exec.
func makePipe() throws(SupervisionError) -> (read: SharedDescriptor, write: SharedDescriptor) {
  var ends: [Int32] = [-1, -1]
  guard drover_pipe_cloexec(&ends) == 0 else { throw .cannotStart(.last("pipe2")) }
  return (SharedDescriptor(owning: ends[0]), SharedDescriptor(owning: ends[1]))
}
