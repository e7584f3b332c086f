import Glibc

/// Numbers of users and groups by their names on this machine; a number stands for itself. Asks
/// each name once. Confined to one thread.
final class AccountNumbers {
  /// Names to remember; a hostile file may hold any number of them.
  private static let nameCountMax = 10_000

  private var users: [[UInt8]: UInt32?] = [:]
  private var groups: [[UInt8]: UInt32?] = [:]

  /// Nil for a name that is not known here.
  func user(_ name: [UInt8]) -> UInt32? {
    AccountNumbers.find(name, in: &users) { getpwnam($0)?.pointee.pw_uid }
  }

  /// Nil for a name that is not known here.
  func group(_ name: [UInt8]) -> UInt32? {
    AccountNumbers.find(name, in: &groups) { getgrnam($0)?.pointee.gr_gid }
  }

  private static func find(
    _ name: [UInt8], in known: inout [[UInt8]: UInt32?], _ ask: (String) -> UInt32?
  ) -> UInt32? {
    let text = String(decoding: name, as: UTF8.self)
    // For the kernel the greatest number is none.
    if let number = UInt32(text) { return number == .max ? nil : number }
    if let answer = known[name] { return answer }
    let answer = text.isEmpty ? nil : ask(text)
    if known.count < nameCountMax { known[name] = .some(answer) }
    return answer
  }
}
