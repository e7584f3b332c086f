/// What two sorted streams have at one place of their common order.
package enum Joined<Left, Right> {
  case left(Left)
  case right(Right)
  case both(Left, Right)
}

extension Joined: Sendable where Left: Sendable, Right: Sendable {}

/// Joins two streams that are sorted by the same order into one: what stands in both comes as a
/// pair, the rest alone, all in that order. Holds one element of each side.
///
/// The streams need not be of one type: a listing of a directory joins with that of an object
/// store.
package struct MergeJoin<Left, Right, Failure: Error> {
  private let nextLeft: () throws(Failure) -> Left?
  private let nextRight: () throws(Failure) -> Right?
  private let order: (Left, Right) -> Int
  private var left: Left?
  private var right: Right?
  private var hasStarted = false

  /// `order` is negative when the left element comes first, zero when the two are the same.
  package init(
    left: @escaping () throws(Failure) -> Left?, right: @escaping () throws(Failure) -> Right?,
    order: @escaping (Left, Right) -> Int
  ) {
    nextLeft = left
    nextRight = right
    self.order = order
  }

  /// The next place, or nil when both streams have ended.
  package mutating func next() throws(Failure) -> Joined<Left, Right>? {
    if !hasStarted {
      hasStarted = true
      left = try nextLeft()
      right = try nextRight()
    }
    guard let first = left else {
      guard let second = right else { return nil }
      right = try nextRight()
      return .right(second)
    }
    guard let second = right else {
      left = try nextLeft()
      return .left(first)
    }
    let order = order(first, second)
    if order <= 0 { left = try nextLeft() }
    if order >= 0 { right = try nextRight() }
    if order == 0 { return .both(first, second) }
    return order < 0 ? .left(first) : .right(second)
  }
}

/// Order of two paths in a walk: component by component, a directory before what it holds.
package func compareWalkOrder(_ a: [UInt8], _ b: [UInt8]) -> Int {
  let common = min(a.count, b.count)
  for index in 0..<common where a[index] != b[index] {
    // A component that ends comes before one that goes on, whatever byte that goes on with.
    let left = a[index] == 0x2f ? -1 : Int(a[index])
    let right = b[index] == 0x2f ? -1 : Int(b[index])
    return left - right
  }
  return a.count - b.count
}
