import Glibc
import Platform

/// `setfsuid(2)`: Glibc's module does not show it.
@_silgen_name("setfsuid") private func setFileSystemUser(_ user: UInt32) -> Int32

/// Runs `body` on a thread whose file accesses, and those of threads it starts, are checked as
/// those of the user 65534, though the process is root's; needs root.
package func withoutFilePrivileges<Value: Sendable>(
  _ body: @escaping @Sendable () throws -> Value
) throws -> Value {
  try Thread("unprivileged") {
    _ = setFileSystemUser(65_534)
    guard setFileSystemUser(65_534) == 65_534 else { throw TestFailure("setfsuid failed") }
    return try body()
  }.join()
}
