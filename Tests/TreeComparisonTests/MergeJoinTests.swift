import TestSupport
import Testing
import TreeComparison

@Suite struct MergeJoinTests {
  private func join(_ left: [Int], _ right: [Int]) -> [String] {
    var leftRest = left[...]
    var rightRest = right[...]
    var join = MergeJoin(
      left: { leftRest.popFirst() }, right: { rightRest.popFirst() }, order: { $0 - $1 })
    var result: [String] = []
    while let place = join.next() {
      switch place {
      case .left(let value): result.append("<\(value)")
      case .right(let value): result.append(">\(value)")
      case .both(let a, let b): result.append("\(a)=\(b)")
      }
    }
    return result
  }

  @Test func placesComeInOrder() {
    #expect(join([], []) == [])
    #expect(join([1], []) == ["<1"])
    #expect(join([], [1]) == [">1"])
    #expect(join([1, 2, 4, 7], [2, 3, 7, 8]) == ["<1", "2=2", ">3", "<4", "7=7", ">8"])
  }

  @Test func randomStreamsJoinAsSets() {
    var random = SeededGenerator(seed: 77)
    for _ in 0..<200 {
      let left = Set((0..<random.below(30)).map { _ in random.below(40) })
      let right = Set((0..<random.below(30)).map { _ in random.below(40) })
      let expected = left.union(right).sorted().map { value in
        if !right.contains(value) { return "<\(value)" }
        return left.contains(value) ? "\(value)=\(value)" : ">\(value)"
      }
      #expect(join(left.sorted(), right.sorted()) == expected)
    }
  }

  @Test func aFailureOfAStreamEndsTheJoin() {
    struct Broken: Error {}
    var count = 0
    var join = MergeJoin<Int, Int, any Error>(
      left: {
        count += 1
        if count == 3 { throw Broken() }
        return count
      }, right: { nil }, order: { $0 - $1 })
    #expect(throws: Broken.self) { while try join.next() != nil {} }
    #expect(count == 3)
  }

  /// A directory comes before what it holds, and all of that before a sibling whose name goes on
  /// with a byte smaller than the slash.
  @Test func walkOrderGoesByComponents() {
    let paths = ["", "a", "a/a", "a/b/c", "a-b", "a-b/x", "a.b", "a0", "b"]
    for (left, a) in paths.enumerated() {
      for (right, b) in paths.enumerated() {
        let order = compareWalkOrder(Array(a.utf8), Array(b.utf8))
        #expect(order.signum() == (left - right).signum(), "\(a) and \(b)")
      }
    }
  }
}
