import Glibc
import Platform

/// The names of unfinished puts: `<final name>-tmp-<decimal digits>`, as restic makes them.
enum TemporaryName {
  private static let mark = Array("-tmp-".utf8)

  /// A name for an unfinished put of `name`, which is cut when both would be too long together.
  static func make(for name: Substring, random: UInt64) -> String {
    let suffix = "-tmp-\(random)"
    let room = Int(NAME_MAX) - suffix.utf8.count
    var text = String(name)
    while text.utf8.count > room { text.unicodeScalars.removeLast() }
    return text + suffix
  }

  static func matches(_ name: some BidirectionalCollection<UInt8>) -> Bool {
    let digits = name.reversed().prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
    guard !digits.isEmpty else { return false }
    return name.dropLast(digits.count).suffix(mark.count).elementsEqual(mark)
  }
}
