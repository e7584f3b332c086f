/// Writes metrics in the text format of Prometheus, version 0.0.4: families one after the other,
/// each with its help, its type and its samples.
package struct MetricsWriter: Sendable {
  package enum FamilyType: String, Sendable {
    case counter
    case gauge
    case summary
  }

  package private(set) var bytes: [UInt8] = []

  package init() {}

  /// Begins a family; its samples follow.
  package mutating func family(_ name: String, _ type: FamilyType, _ help: String) {
    let help = help.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
    write("# HELP \(name) \(help)\n# TYPE \(name) \(type.rawValue)\n")
  }

  /// A sample; `labels` is what ``labels(_:)`` gives, or empty.
  package mutating func sample(_ name: String, _ labels: String, _ value: Double) {
    write("\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(MetricsWriter.text(value))\n")
  }

  /// Names and values of labels, in the order given: `a="x",b="y"`.
  package static func labels(_ pairs: [(String, String)]) -> String {
    pairs.map { "\($0.0)=\"\(escaped($0.1))\"" }.joined(separator: ",")
  }

  private static func escaped(_ value: String) -> String {
    var result = ""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\"": result += "\\\""
      case "\n": result += "\\n"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// As Go's `strconv.ParseFloat` reads it.
  private static func text(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    // Whole numbers up to 2^53 are exact.
    if value.magnitude < 9_007_199_254_740_992, value == value.rounded() {
      return String(Int64(value))
    }
    return "\(value)"
  }

  private mutating func write(_ text: String) { bytes += Array(text.utf8) }
}
