/// Which packs `check --read-data-subset` reads.
package enum ReadDataSubset: Sendable, Equatable {
  /// One of `of` parts, by the first byte of the identifier: reading all parts one after the other
  /// reads every pack once. Both from 1 to 256.
  case part(Int, of: Int)
  /// A random share of the packs; above 0, at most 100.
  case percent(Double)
  /// Random packs of about so many bytes; more than 0.
  case bytes(UInt64)

  /// Reads `n/t`, `x%` or a size with a suffix out of K, M, G and T.
  ///
  /// - Throws: `PrunePlanError.invalidOption`.
  package init(parsing text: String) throws(PrunePlanError) {
    let option = "--read-data-subset"
    if text.hasSuffix("%") {
      guard let percent = Double(text.dropLast()), percent > 0, percent <= 100 else {
        throw .invalidOption(option, reason: "'\(text)': a percentage is above 0, at most 100")
      }
      self = .percent(percent)
    } else if text.utf8.contains(UInt8(ascii: "/")) {
      let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
      guard parts.count == 2, let part = parts[0], let count = parts[1],
        (1...256).contains(count), (1...count).contains(part)
      else {
        throw .invalidOption(
          option, reason: "'\(text)': of n/t, t is from 1 to 256 and n from 1 to t")
      }
      self = .part(part, of: count)
    } else {
      let size = try sizeBytes(parsing: text, option: option)
      guard size > 0 else { throw .invalidOption(option, reason: "the size is 0") }
      self = .bytes(size)
    }
  }

  /// The packs to read, in the order of the list. A share of at least one pack of a list that is
  /// not empty; a size is not exceeded, except by a first pack.
  package func choose(
    among packs: [ListedPack], using generator: inout some RandomNumberGenerator
  ) -> [ListedPack] {
    switch self {
    case .part(let part, let count):
      guard count > 0 else { return [] }
      return packs.filter { Int($0.id.words.0 >> 56) % count == part - 1 }
    case .percent(let percent):
      let wanted = Int(Double(packs.count) * min(100, max(0, percent)) / 100)
      let order = shuffled(packs.count, &generator).prefix(max(1, wanted))
      return order.sorted().map { packs[$0] }
    case .bytes(let limit):
      var rest = limit
      var chosen: [Int] = []
      for number in shuffled(packs.count, &generator) {
        let size = packs[number].sizeBytes
        guard size <= rest || chosen.isEmpty else { continue }
        chosen.append(number)
        rest -= min(rest, size)
      }
      return chosen.sorted().map { packs[$0] }
    }
  }

  private func shuffled(
    _ count: Int, _ generator: inout some RandomNumberGenerator
  ) -> [Int] {
    var numbers = Array(0..<count)
    numbers.shuffle(using: &generator)
    return numbers
  }
}
