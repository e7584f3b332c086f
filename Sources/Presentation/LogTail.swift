/// Which part of a log is new to a reader who looks at its end now and then.
package enum LogTail {
  /// What `now` has behind what `before` had. A log loses its start when it is long; a part of what
  /// was shown is looked for then, and all of `now` is new when nothing of it is left.
  package static func addition(to before: String, in now: String) -> String {
    let (old, new) = (Array(before.utf8), Array(now.utf8))
    if new.starts(with: old) { return String(decoding: new[old.count...], as: UTF8.self) }
    // Whole lines were lost: the new text begins with a line that was shown.
    for start in old.indices where start == 0 || old[start - 1] == 0x0a {
      let rest = old[start...]
      if rest.count <= new.count, new.starts(with: rest) {
        return String(decoding: new[rest.count...], as: UTF8.self)
      }
    }
    return now
  }

  /// The last lines of a text; nil for all.
  package static func lastLines(of text: String, count: Int?) -> String {
    guard let count else { return text }
    let bytes = Array(text.utf8)
    var rest = count
    var start = bytes.count
    while start > 0 {
      let isBreak = bytes[start - 1] == 0x0a
      if isBreak, start != bytes.count || count == 0 {
        rest -= 1
        if rest <= 0 { break }
      }
      start -= 1
    }
    return count == 0 ? "" : String(decoding: bytes[start...], as: UTF8.self)
  }
}
