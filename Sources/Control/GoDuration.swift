/// A duration in nanoseconds as Go's `Duration.String` writes it: `1m50.209297869s`, `1.5ms`, `0s`.
package func goDurationText(nanoseconds: Int64) -> String {
  let sign = nanoseconds < 0 ? "-" : ""
  let total = nanoseconds.magnitude
  if total == 0 { return "0s" }
  if total < 1000 { return "\(sign)\(total)ns" }
  if total < 1_000_000 { return sign + decimal(total, unit: 1000) + "µs" }
  if total < 1_000_000_000 { return sign + decimal(total, unit: 1_000_000) + "ms" }
  let hours = total / 3_600_000_000_000
  let minutes = total / 60_000_000_000 % 60
  var text = sign
  if hours > 0 { text += "\(hours)h" }
  if hours > 0 || minutes > 0 { text += "\(minutes)m" }
  return text + decimal(total % 60_000_000_000, unit: 1_000_000_000) + "s"
}

/// `value / unit` with as many decimals as are not zero; `unit` is a power of ten.
private func decimal(_ value: UInt64, unit: UInt64) -> String {
  let rest = value % unit
  guard rest > 0 else { return String(value / unit) }
  var digits = String(rest + unit).dropFirst()
  while digits.last == "0" { digits = digits.dropLast() }
  return "\(value / unit).\(digits)"
}
