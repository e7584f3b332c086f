import Glibc
import Platform

/// Who takes a lock: what stands in its record.
package struct LockIdentity: Sendable, Equatable {
  package var hostname: String
  package var username: String
  package var processID: UInt32
  package var userID: UInt32
  package var groupID: UInt32
  package var bootID: String
  package var pidNamespace: UInt64
  package var startTicks: UInt64

  /// This process. What /proc does not tell stays empty or zero, and then proves nothing.
  package static func current() -> LockIdentity {
    var name = [CChar](repeating: 0, count: 256)
    let hasName = gethostname(&name, name.count - 1) == 0
    let pid = getpid()
    var namespace = stat()
    let hasNamespace = fstatat(AT_FDCWD, "/proc/self/ns/pid", &namespace, 0) == 0
    return LockIdentity(
      hostname: hasName ? text(name) : "", username: currentUserName(),
      processID: UInt32(truncatingIfNeeded: pid), userID: getuid(), groupID: getgid(),
      bootID: firstLine("/proc/sys/kernel/random/boot_id"),
      pidNamespace: hasNamespace ? UInt64(namespace.st_ino) : 0,
      startTicks: ProcessState.startTicks(of: Int64(pid)) ?? 0)
  }

  /// The proof for one lock; `run` is drawn anew for each.
  func proof(run: String) -> LockProof {
    LockProof(
      bootID: bootID, pidNamespace: pidNamespace, startTicks: startTicks, run: run)
  }

  private static func text(_ characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  private static func currentUserName() -> String {
    var record = passwd()
    var found: UnsafeMutablePointer<passwd>?
    var buffer = [CChar](repeating: 0, count: 16 << 10)
    guard getpwuid_r(geteuid(), &record, &buffer, buffer.count, &found) == 0, found != nil,
      let name = record.pw_name
    else { return "" }
    return String(cString: name)
  }

  private static func firstLine(_ path: String) -> String {
    // Without the file there is no proof, and restic's rules alone hold.
    guard let bytes = try? SmallFile.read(path, sizeBytesMax: 4096) else { return "" }
    return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
  }
}

extension ProcessState {
  /// Asks the kernel (`kill` with signal 0, `/proc/<pid>/stat`).
  package static func of(_ pid: Int64) -> ProcessState {
    guard let number = pid_t(exactly: pid), number > 0 else { return .unknown }
    if kill(number, 0) != 0, errno == ESRCH { return .absent }
    return .running(startTicks: startTicks(of: pid))
  }

  /// Field 22 of `/proc/<pid>/stat`; nil when it cannot be read.
  static func startTicks(of pid: Int64) -> UInt64? {
    // Other users' processes may be hidden: then nothing is known.
    guard let bytes = try? SmallFile.read("/proc/\(pid)/stat", sizeBytesMax: 4096),
      // The name in parentheses may hold anything; the last one closes it.
      let end = bytes.lastIndex(of: UInt8(ascii: ")"))
    else { return nil }
    let fields = bytes[(end + 1)...].split(separator: UInt8(ascii: " "))
    // The first field behind the name is number 3.
    guard fields.count > 19 else { return nil }
    return UInt64(String(decoding: fields[19], as: UTF8.self))
  }
}
