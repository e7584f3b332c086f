import CPlatform
import Glibc

/// What stands behind a descriptor that people may look at.
package enum Terminal {
  /// Whether `descriptor` is a terminal (`isatty`).
  package static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

  /// The width in columns; nil when it is no terminal or does not tell.
  package static func columnCount(_ descriptor: Int32) -> Int? {
    let count = drover_terminal_columns(descriptor)
    return count > 0 ? Int(count) : nil
  }
}
