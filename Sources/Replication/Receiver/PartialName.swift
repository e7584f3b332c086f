import Cryptography
import FileTree

/// Temporary names that a later run finds again for the same target.
enum PartialName {
  static func number(of name: UnsafeRawBufferPointer) -> UInt64 { XXH3.hash64(name) }

  /// The temporary file that `name` is received into.
  static func temporary(for name: [UInt8]) -> String {
    TemporaryName.make(name.withUnsafeBytes { number(of: $0) })
  }

  /// Where an earlier run's temporary file goes while it is the basis of this one.
  static func earlier(for name: [UInt8]) -> String {
    TemporaryName.make(name.withUnsafeBytes { number(of: $0) } ^ 1)
  }

  static func undo(for name: [UInt8]) -> String {
    TemporaryName.makeUndo(name.withUnsafeBytes { number(of: $0) })
  }
}
