import Platform

/// A secret of a configuration: a key, a token, a password.
///
/// It never shows itself: description, dumps and test reports print the same three dots for each.
/// The memory is wiped when the last holder lets go.
package struct SecretText: Sendable, Hashable {
  private let bytes: SecretBytes

  package init(_ text: String) { bytes = SecretBytes(Array(text.utf8)) }

  /// The secret itself; whoever asks does not keep it longer than needed.
  package var revealed: String {
    bytes.withBytes { String(decoding: $0, as: UTF8.self) }
  }

  package var isEmpty: Bool { bytes.count == 0 }

  /// Takes the same time wherever two secrets of one length differ.
  package static func == (a: SecretText, b: SecretText) -> Bool {
    a.bytes.withBytes { first in
      b.bytes.withBytes { second in
        guard first.count == second.count else { return false }
        return zip(first, second).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
      }
    }
  }

  package func hash(into hasher: inout Hasher) {
    bytes.withBytes { hasher.combine(bytes: $0) }
  }
}

extension SecretText: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  package var description: String { "…" }
  package var debugDescription: String { description }
  package var customMirror: Mirror { Mirror(self, children: []) }
}
