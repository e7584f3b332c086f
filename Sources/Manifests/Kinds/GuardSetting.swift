/// The value of the annotation `guard`: which guards of shares are in force, and how much may go.
///
/// `on`, `off`, or shares with commas between them: `lost-files=80%, lost-bytes=99%,
/// deletions=90%`; `off` in place of a share turns that one off.
package struct GuardSetting: Sendable, Equatable {
  package enum Share: Sendable, Equatable {
    /// As the table of guards has it.
    case standard
    case off
    /// More than so many of a hundred is too much.
    case percent(Int64)
  }

  package var lostFiles = Share.standard
  package var lostBytes = Share.standard
  package var deletions = Share.standard

  package init() {}

  /// Nil for what is none.
  package init?(_ text: String) {
    self.init()
    switch text {
    case "on": return
    case "off": (lostFiles, lostBytes, deletions) = (.off, .off, .off)
    default:
      for part in text.split(separator: ",", omittingEmptySubsequences: false) {
        let pair = part.split(separator: "=", omittingEmptySubsequences: false)
        guard pair.count == 2, let share = Share(pair[1].withoutBlanks) else { return nil }
        switch pair[0].withoutBlanks {
        case "lost-files": lostFiles = share
        case "lost-bytes": lostBytes = share
        case "deletions": deletions = share
        default: return nil
        }
      }
    }
  }
}

extension GuardSetting.Share {
  fileprivate init?(_ text: Substring) {
    if text == "off" {
      self = .off
      return
    }
    guard text.hasSuffix("%"), let percent = Int64(text.dropLast()), (1...99).contains(percent)
    else { return nil }
    self = .percent(percent)
  }
}

extension Substring {
  fileprivate var withoutBlanks: Substring {
    var text = self
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    return text
  }
}
