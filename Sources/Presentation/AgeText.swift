/// How long ago something was, as kubectl writes it: `45s`, `5m30s`, `3h12m`, `2d4h`, `1y20d`.
///
/// Source: Kubernetes, `duration.HumanDuration`: two units while the larger one is small.
package func ageText(seconds: Int64) -> String {
  if seconds < -1 { return "<invalid>" }
  if seconds < 120 { return "\(max(0, seconds))s" }
  let minutes = seconds / 60
  if minutes < 10 { return two(minutes, "m", seconds % 60, "s") }
  if minutes < 180 { return "\(minutes)m" }
  let hours = seconds / 3600
  if hours < 8 { return two(hours, "h", minutes % 60, "m") }
  if hours < 48 { return "\(hours)h" }
  let days = hours / 24
  if hours < 192 { return two(days, "d", hours % 24, "h") }
  if days < 730 { return "\(days)d" }
  if days < 2920 { return two(days / 365, "y", days % 365, "d") }
  return "\(days / 365)y"
}

private func two(_ large: Int64, _ unit: String, _ small: Int64, _ smallUnit: String) -> String {
  small == 0 ? "\(large)\(unit)" : "\(large)\(unit)\(small)\(smallUnit)"
}
