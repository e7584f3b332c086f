/// What a schedule may say: five cron fields or a nickname, as VolSync's parser (robfig/cron v3)
/// reads it.
package enum CronSyntax {
  private struct Field {
    let name: String
    let range: ClosedRange<Int>
    var words: [String] = []
  }

  private static let fields = [
    Field(name: "minute", range: 0...59),
    Field(name: "hour", range: 0...23),
    Field(name: "day of month", range: 1...31),
    Field(
      name: "month", range: 1...12,
      words: [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
      ]),
    Field(
      name: "day of week", range: 0...6, words: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
  ]

  private static let nicknames = [
    "@annually", "@yearly", "@monthly", "@weekly", "@daily", "@midnight", "@hourly",
  ]

  /// What is wrong with the schedule; nil when it can be run.
  package static func problem(in schedule: String) -> String? {
    var parts = schedule.split(whereSeparator: \.isWhitespace).map(String.init)
    if let first = parts.first, first.hasPrefix("CRON_TZ=") || first.hasPrefix("TZ=") {
      guard first.last != "=" else { return "the time zone after \(first) is missing" }
      parts.removeFirst()
    }
    guard let first = parts.first else { return "is empty" }
    if first.hasPrefix("@") { return nicknameProblem(parts) }
    if parts.count == 6 {
      let shorter = parts.dropLast().joined(separator: " ")
      return "has six fields: a schedule has five (minute, hour, day of month, month, day of week) "
        + "and no seconds; write for instance \"\(shorter)\""
    }
    guard parts.count == fields.count else {
      return "has \(parts.count) fields: a schedule has five (minute, hour, day of month, month, "
        + "day of week)"
    }
    for (field, text) in zip(fields, parts) {
      if let problem = problem(in: text, of: field) {
        return "\(field.name) \"\(text)\": \(problem)"
      }
    }
    return nil
  }

  private static func nicknameProblem(_ parts: [String]) -> String? {
    let word = parts[0]
    if word == "@every" {
      return "@every is not a VolSync schedule: write cron fields such as \"*/30 * * * *\""
    }
    guard nicknames.contains(word.lowercased()) else {
      let meant = nearest(to: word, in: nicknames).map { "; did you mean \"\($0)\"?" } ?? ""
      return "\"\(word)\" is not one of \(nicknames.joined(separator: ", "))\(meant)"
    }
    return parts.count == 1 ? nil : "has words after \(word)"
  }

  private static func problem(in text: String, of field: Field) -> String? {
    for item in text.split(separator: ",", omittingEmptySubsequences: false) {
      if let problem = problem(inItem: item, of: field) { return problem }
    }
    return nil
  }

  private static func problem(inItem item: Substring, of field: Field) -> String? {
    let halves = item.split(separator: "/", omittingEmptySubsequences: false)
    guard halves.count <= 2, let span = halves.first, !span.isEmpty else { return "is not a range" }
    if halves.count == 2 {
      guard let step = Int(halves[1]), step > 0 else { return "the step must be a number above 0" }
    }
    if span == "*" || span == "?" { return nil }
    let ends = span.split(separator: "-", omittingEmptySubsequences: false)
    guard ends.count <= 2 else { return "is not a range" }
    let low = field.range.lowerBound
    let high = field.range.upperBound
    var values: [Int] = []
    for end in ends {
      guard let value = value(of: end, in: field), field.range.contains(value) else {
        return "must be between \(low) and \(high)"
      }
      values.append(value)
    }
    if values.count == 2, values[0] > values[1] { return "the range ends before it starts" }
    return nil
  }

  private static func value(of text: Substring, in field: Field) -> Int? {
    if let index = field.words.firstIndex(of: text.lowercased()) {
      return index + field.range.lowerBound
    }
    guard text.utf8.count <= 4, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
      return nil
    }
    return Int(text)
  }
}
