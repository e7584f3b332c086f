/// Names of Drover's own files inside a replica: a prefix and 16 hex digits.
///
/// They never leave a replica: a walk gives them as leftovers, which no listing or digest holds.
package enum TemporaryName {
  /// Unfinished files, and entries that were moved out of the way.
  package static let prefix = ".~drover~"
  /// What was overwritten in place, until the run is committed.
  package static let undoPrefix = ".~drover-undo~"
  private static let prefixBytes = Array(prefix.utf8)
  private static let undoPrefixBytes = Array(undoPrefix.utf8)
  private static let digitCount = 16

  package static func make(_ number: UInt64) -> String { prefix + digits(number) }
  package static func makeUndo(_ number: UInt64) -> String { undoPrefix + digits(number) }

  private static func digits(_ number: UInt64) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: digitCount - digits.count) + digits
  }

  package static func matches(_ name: UnsafeRawBufferPointer) -> Bool {
    guard name.count > 2, name[0] == 0x2e, name[1] == 0x7e else { return false }
    return has(name, prefixBytes) || has(name, undoPrefixBytes)
  }

  package static func isUndo(_ name: UnsafeRawBufferPointer) -> Bool { has(name, undoPrefixBytes) }

  private static func has(_ name: UnsafeRawBufferPointer, _ prefix: [UInt8]) -> Bool {
    guard name.count == prefix.count + digitCount, name.starts(with: prefix) else { return false }
    return name[prefix.count...].allSatisfy {
      (0x30...0x39).contains($0) || (0x61...0x66).contains($0)
    }
  }
}
