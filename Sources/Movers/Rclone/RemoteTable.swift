import Manifests

/// Which object uses which remote: finds those that overlap without looking at each.
struct RemoteTable {
  private struct User {
    let number: Int
    let key: ObjectKey
  }

  private var count = 0
  /// Who was added first with an address.
  private var users: [Substring: User] = [:]
  /// Who was added first with an address below this one.
  private var usersBelow: [Substring: User] = [:]

  mutating func add(_ address: String, _ key: ObjectKey) {
    let user = User(number: count, key: key)
    count += 1
    for place in RemoteTable.placesAbove(address) where usersBelow[place] == nil {
      usersBelow[place] = user
    }
    if users[address[...]] == nil { users[address[...]] = user }
  }

  /// Who was added first of those whose remote is this one, lies within it or holds it.
  func firstOverlapping(_ address: String) -> ObjectKey? {
    let others =
      [users[address[...]], usersBelow[address[...]]]
      + RemoteTable.placesAbove(address).map { users[$0] }
    return others.compactMap(\.self).min { $0.number < $1.number }?.key
  }

  private static func placesAbove(_ address: String) -> [Substring] {
    address.indices.filter { address[$0] == "/" }.map { address[..<$0] }
  }
}
