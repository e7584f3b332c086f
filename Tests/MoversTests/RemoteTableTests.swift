import Manifests
import TestSupport
import Testing

@testable import Movers

@Suite struct RemoteTableTests {
  /// As it is said: one of two remotes is the other, or lies within it.
  private func overlap(_ first: String, _ second: String) -> Bool {
    let (first, second) = (first + "/", second + "/")
    return first.hasPrefix(second) || second.hasPrefix(first)
  }

  @Test("What is found is what a look at each of them finds")
  func findsWhatALookAtEachFinds() {
    var random = SeededGenerator(seed: 11)
    let parts = ["a:", "a:b", "b:", "", "x", "y", "xx", "/"]
    var foundCount = 0
    for _ in 0..<200 {
      var table = RemoteTable()
      var known: [(key: ObjectKey, address: String)] = []
      for number in 0..<20 {
        let names = (0..<Int.random(in: 1...4, using: &random)).map { _ in
          parts[Int.random(in: 0..<parts.count, using: &random)]
        }
        let address = names.joined(separator: "/")
        let expected = known.first { overlap($0.address, address) }?.key
        #expect(table.firstOverlapping(address) == expected, "\(address) among \(known)")
        if expected != nil { foundCount += 1 }
        let key = ObjectKey(kind: "K", namespace: "n", name: "\(number)")
        table.add(address, key)
        known.append((key, address))
      }
    }
    #expect(foundCount > 500 && foundCount < 4000)
  }
}
