import CPlatform
import Glibc
import Platform

extension ByteFiles {
  /// Makes a regular file, or empties and fills one.
  package static func write(
    _ path: Path, _ content: [UInt8], mode: mode_t = 0o644
  ) throws(PlatformError) {
    let file = try openFile(path, O_WRONLY | O_CREAT | O_TRUNC, mode)
    try writeAll(file, content, at: 0, path)
  }

  /// Writes over a part of a regular file, or behind its end.
  package static func overwrite(
    _ path: Path, _ content: [UInt8], at offset: Int
  ) throws(PlatformError) {
    let file = try openFile(path, O_WRONLY)
    try writeAll(file, content, at: offset, path)
  }

  package static func truncate(_ path: Path, sizeBytes: Int) throws(PlatformError) {
    let file = try openFile(path, O_WRONLY | O_CREAT)
    guard ftruncate(file.raw, sizeBytes) == 0 else { throw .last("ftruncate", printable(path)) }
  }

  package static func punchHole(
    _ path: Path, at offset: Int, sizeBytes: Int
  ) throws(PlatformError) {
    let file = try openFile(path, O_WRONLY)
    guard drover_fallocate_punch(file.raw, Int64(offset), Int64(sizeBytes)) == 0 else {
      throw .last("fallocate", printable(path))
    }
  }

  /// All bytes of a regular file.
  package static func read(_ path: Path) throws(PlatformError) -> [UInt8] {
    let file = try openFile(path, O_RDONLY)
    var result: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 256 << 10)
    while true {
      let count = retryingOnInterrupt {
        buffer.withUnsafeMutableBytes { Glibc.read(file.raw, $0.baseAddress, $0.count) }
      }
      guard count >= 0 else { throw .last("read", printable(path)) }
      if count == 0 { return result }
      result.append(contentsOf: buffer[..<count])
    }
  }

  private static func openFile(
    _ path: Path, _ flags: Int32, _ mode: mode_t = 0o644
  ) throws(PlatformError) -> SharedDescriptor {
    // A fifo without a peer is an error, not a wait.
    let raw = try call("open", path) {
      open($0, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode)
    }
    return SharedDescriptor(owning: raw)
  }

  private static func writeAll(
    _ file: SharedDescriptor, _ content: [UInt8], at start: Int, _ path: Path
  ) throws(PlatformError) {
    var done = 0
    while done < content.count {
      let count = retryingOnInterrupt {
        content[done...].withUnsafeBytes {
          pwrite(file.raw, $0.baseAddress, $0.count, start + done)
        }
      }
      guard count > 0 else { throw .last("pwrite", printable(path)) }
      done += count
    }
  }
}
