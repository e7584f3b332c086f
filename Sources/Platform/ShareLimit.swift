/// How much of something may go at once: more than a share of it, when it is many, is too much.
package struct ShareLimit: Sendable, Equatable {
  /// One rule: at least so many, and more than so many of a hundred.
  package struct Rule: Sendable, Equatable {
    package var lostMin: Int64
    package var percentMax: Int64

    package init(lostMin: Int64, percentMax: Int64) {
      self.lostMin = lostMin
      self.percentMax = percentMax
    }
  }

  package var rules: [Rule]

  package init(_ rules: [Rule]) { self.rules = rules }

  /// Whether one of the rules is broken when `lost` of `total` go.
  package func isExceeded(lost: Int64, of total: Int64) -> Bool {
    guard lost > 0, total > 0 else { return false }
    return rules.contains { rule in
      guard lost >= rule.lostMin else { return false }
      // lost / total > percent / 100, exactly.
      let (share, allowed) = (
        lost.multipliedFullWidth(by: 100), total.multipliedFullWidth(by: rule.percentMax)
      )
      return (share.high, share.low) > (allowed.high, allowed.low)
    }
  }
}

extension ShareLimit.Rule {
  var document: JSONValue { .array([.integer(lostMin), .integer(percentMax)]) }
}

extension ShareLimit {
  package var document: JSONValue { .array(rules.map(\.document)) }

  /// Nil for what is none.
  package init?(_ value: JSONValue?) {
    guard let items = value?.arrayValue else { return nil }
    var rules: [Rule] = []
    for item in items {
      guard let pair = item.arrayValue, pair.count == 2, let lost = pair[0].integerValue,
        let percent = pair[1].integerValue
      else { return nil }
      rules.append(Rule(lostMin: lost, percentMax: percent))
    }
    self.init(rules)
  }
}
