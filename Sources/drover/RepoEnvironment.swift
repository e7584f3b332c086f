import Glibc

/// Variables of the environment that steer `drover repo`, with restic's names.
enum RepoEnvironment {
  /// A variable that is set and not empty.
  static subscript(name: String) -> String? {
    guard let value = getenv(name) else { return nil }
    let text = String(cString: value)
    return text.isEmpty ? nil : text
  }

  /// The bytes of a variable, also when they are not UTF-8; nil when it is not set or empty.
  static func bytes(_ name: String) -> [UInt8]? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return Array(UnsafeRawBufferPointer(start: value, count: strlen(value)))
  }

  /// The name of this machine for new snapshots and locks.
  static var hostname: String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      guard let base = buffer.baseAddress, gethostname(base, 255) == 0 else { return "" }
      base[255] = 0
      return String(cString: base)
    }
  }

  /// The name of the user; empty when the system has none.
  static var username: String {
    guard let entry = getpwuid(getuid()), let name = entry.pointee.pw_name else { return "" }
    return String(cString: name)
  }

  static var userID: UInt32 { getuid() }
  static var groupID: UInt32 { getgid() }

  /// Where unnamed scratch files stand.
  static var temporaryDirectory: String { self["TMPDIR"] ?? "/tmp" }
}
