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

/// Nanoseconds of a duration as Go's `ParseDuration` reads it: `1h30m`, `1.5s`, `-250ms`, `0`; nil
/// when the text is none, or beyond the range of `Int64`.
package func goDurationNanoseconds(_ text: String) -> Int64? {
  var rest = Array(text.utf8)[...]
  let isNegative = rest.first == UInt8(ascii: "-")
  if isNegative || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
  if rest.elementsEqual([UInt8(ascii: "0")]) { return 0 }
  guard !rest.isEmpty else { return nil }
  // Downwards, since the lowest value has no counterpart above zero.
  var total: Int64 = 0
  while !rest.isEmpty {
    guard let part = durationPart(&rest) else { return nil }
    let (sum, overflow) = total.subtractingReportingOverflow(part)
    if overflow { return nil }
    total = sum
  }
  if isNegative { return total }
  return total == .min ? nil : -total
}

private let durationUnits: [(name: String, nanoseconds: Int64)] = [
  ("ns", 1), ("us", 1000), ("µs", 1000), ("μs", 1000), ("ms", 1_000_000), ("s", 1_000_000_000),
  ("m", 60_000_000_000), ("h", 3_600_000_000_000),
]

/// A number and its unit; the number may have decimals, and those beyond a nanosecond are cut off.
private func durationPart(_ rest: inout ArraySlice<UInt8>) -> Int64? {
  let isDigit = { (byte: UInt8) in (0x30...0x39).contains(byte) }
  let whole = rest.prefix(while: isDigit)
  rest = rest.dropFirst(whole.count)
  var decimals = ArraySlice<UInt8>()
  if rest.first == UInt8(ascii: ".") {
    rest.removeFirst()
    decimals = rest.prefix(while: isDigit)
    rest = rest.dropFirst(decimals.count)
  }
  guard !whole.isEmpty || !decimals.isEmpty else { return nil }
  let name = rest.prefix { !isDigit($0) && $0 != UInt8(ascii: ".") }
  rest = rest.dropFirst(name.count)
  guard let unit = durationUnits.first(where: { $0.name.utf8.elementsEqual(name) })?.nanoseconds
  else { return nil }
  var value: Int64 = 0
  for digit in whole {
    let (tens, first) = value.multipliedReportingOverflow(by: 10)
    let (sum, second) = tens.addingReportingOverflow(Int64(digit - 0x30))
    if first || second { return nil }
    value = sum
  }
  let (nanoseconds, overflow) = value.multipliedReportingOverflow(by: unit)
  if overflow { return nil }
  var scale = unit
  var fraction: Int64 = 0
  for digit in decimals {
    // Of an hour or a minute the tenth part is whole nanoseconds for at least eleven digits.
    fraction += Int64(digit - 0x30) * scale / 10
    scale /= 10
    if scale == 0 { break }
  }
  let (sum, beyond) = nanoseconds.addingReportingOverflow(fraction)
  return beyond ? nil : sum
}
