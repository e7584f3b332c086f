import Glibc
import Platform

/// A new directory that goes away, with all that stands in it, when the last holder lets go.
package final class TemporaryDirectory: Sendable {
  /// Absolute, without trailing slash.
  package let path: String

  /// Makes a directory below `parent`, or below `TMPDIR` (`/tmp` when unset).
  package init(in parent: String? = nil) throws {
    let parent = parent ?? environmentValue("TMPDIR") ?? "/tmp"
    var template = Array("\(parent)/drover-test.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw PlatformError.last("mkdtemp", parent) }
    path = template.withUnsafeBufferPointer { buffer in
      buffer.baseAddress.map { String(cString: $0) } ?? ""
    }
  }

  deinit { removeTree(path) }

  /// The absolute path of a name in the directory.
  package func path(_ name: String) -> String { "\(path)/\(name)" }

  /// Makes a directory below this one and gives its absolute path.
  package func makeDirectory(_ name: String) throws -> String {
    let path = path(name)
    guard mkdir(path, 0o755) == 0 else { throw PlatformError.last("mkdir", path) }
    return path
  }
}

/// Removes a tree whatever its modes, depth and names; when that fails, takes immutable and
/// append-only flags and tries again. What cannot be removed is told on standard error.
package func removeTree(_ path: String) {
  // rm walks by descriptors, so neither depth nor names matter; it does not cross into mounts.
  let arguments = ["-rf", "--one-file-system", "--", path]
  func attempt() -> String? {
    do {
      let result = try runProcess("rm", arguments)
      return result.status == 0 ? nil : result.errorText
    } catch {
      return "\(error)"
    }
  }
  guard attempt() != nil else { return }
  // Their own failure shows in the second attempt.
  _ = try? runProcess("chattr", ["-R", "-f", "-i", "-a", path])
  _ = try? runProcess("chmod", ["-R", "u+rwx", path])
  guard let reason = attempt() else { return }
  writeErrorLine("cannot remove \(path): \(reason)")
}

func writeErrorLine(_ text: String) {
  let bytes = Array("\(text)\n".utf8)
  _ = bytes.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
}
