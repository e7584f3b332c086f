import Glibc

/// How much a long test does: a sample in every run, the full counts with `DROVER_TEST_ALL=1`.
package enum SampledCounts {
  package static var isFull: Bool { environmentValue("DROVER_TEST_ALL") == "1" }

  /// `full` with `DROVER_TEST_ALL=1`, else `sampled`.
  package static func count(sampled: Int, full: Int) -> Int { isFull ? full : sampled }
}

/// A variable of the environment; nil when unset or empty.
package func environmentValue(_ name: String) -> String? {
  guard let value = getenv(name) else { return nil }
  let text = String(cString: value)
  return text.isEmpty ? nil : text
}
