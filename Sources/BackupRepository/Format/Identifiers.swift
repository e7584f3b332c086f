/// The SHA-256 that names something in a repository, 32 bytes inline; compared as bytes.
///
/// The role keeps names of different things apart: a ``PackID`` is not a ``BlobID``. Hexadecimal
/// stands only at the edges (file names, JSON, messages).
/// Source: the restic repository format, "objects and storage layout".
package struct Identifier<Role>: Hashable, Comparable, Sendable {
  /// Length in bytes.
  package static var byteCount: Int { 32 }

  /// The bytes as four big-endian words, so that comparing words compares bytes.
  package let words: (UInt64, UInt64, UInt64, UInt64)

  /// The identifier of four big-endian words.
  package init(words: (UInt64, UInt64, UInt64, UInt64)) {
    self.words = words
  }

  /// Copies 32 bytes; traps on any other count, which is the caller's mistake.
  package init(_ bytes: UnsafeRawBufferPointer) {
    precondition(bytes.count == 32, "an identifier has 32 bytes")
    words = (
      UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
      UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
      UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)),
      UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self))
    )
  }

  /// The identifier of a digest; nil when it has not 32 bytes.
  package init?(_ bytes: [UInt8]) {
    guard bytes.count == 32 else { return nil }
    self = bytes.withUnsafeBytes { Identifier($0) }
  }

  /// The identifier that 64 lower-case hexadecimal digits name; nil for anything else.
  package init?(hex text: some Collection<UInt8>) {
    guard text.count == 64 else { return nil }
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    for digit in text {
      let value: UInt64
      switch digit {
      case 0x30...0x39: value = UInt64(digit - 0x30)
      case 0x61...0x66: value = UInt64(digit - 0x61 + 10)
      default: return nil
      }
      words.0 = words.0 << 4 | words.1 >> 60
      words.1 = words.1 << 4 | words.2 >> 60
      words.2 = words.2 << 4 | words.3 >> 60
      words.3 = words.3 << 4 | value
    }
    self.words = words
  }

  /// The identifier that a text of 64 lower-case hexadecimal digits names.
  package init?(hex text: String) {
    self.init(hex: Array(text.utf8))
  }

  /// Writes the 32 bytes; the target has to hold them.
  package func copy(to target: UnsafeMutableRawBufferPointer) {
    target.storeBytes(of: words.0.bigEndian, toByteOffset: 0, as: UInt64.self)
    target.storeBytes(of: words.1.bigEndian, toByteOffset: 8, as: UInt64.self)
    target.storeBytes(of: words.2.bigEndian, toByteOffset: 16, as: UInt64.self)
    target.storeBytes(of: words.3.bigEndian, toByteOffset: 24, as: UInt64.self)
  }

  /// Appends the 64 digits to a text that is being written.
  package func appendHex(to text: inout [UInt8]) {
    for word in [words.0, words.1, words.2, words.3] {
      var shift: UInt64 = 60
      while true {
        let nibble = UInt8(truncatingIfNeeded: word >> shift) & 15
        text.append(nibble < 10 ? 0x30 + nibble : 0x61 + nibble - 10)
        if shift == 0 { break }
        shift -= 4
      }
    }
  }

  /// The 64 lower-case digits.
  package var hex: String {
    var text: [UInt8] = []
    text.reserveCapacity(64)
    appendHex(to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  /// The first eight digits, as restic shows identifiers to people.
  package var short: String { String(hex.prefix(8)) }

  package static func == (a: Identifier, b: Identifier) -> Bool {
    a.words == b.words
  }

  package static func < (a: Identifier, b: Identifier) -> Bool {
    a.words < b.words
  }

  package func hash(into hasher: inout Hasher) {
    // A SHA-256 is uniform already, so one word is enough. The hasher's seed keeps chosen names
    // from meeting in one bucket only as far as their first words differ.
    hasher.combine(words.0)
    hasher.combine(words.1)
  }
}

/// Roles of ``Identifier``: never made, they only tell types apart.
package enum BlobRole {}
package enum PackRole {}
package enum IndexRole {}
package enum SnapshotRole {}
package enum KeyRole {}
package enum LockRole {}

/// SHA-256 of a blob's plaintext.
package typealias BlobID = Identifier<BlobRole>
/// SHA-256 of a pack file.
package typealias PackID = Identifier<PackRole>
/// SHA-256 of an index file as stored.
package typealias IndexID = Identifier<IndexRole>
/// SHA-256 of a snapshot file as stored.
package typealias SnapshotID = Identifier<SnapshotRole>
/// SHA-256 of a key file.
package typealias KeyID = Identifier<KeyRole>
/// SHA-256 of a lock file as stored.
package typealias LockID = Identifier<LockRole>

/// What a blob holds. A data and a tree blob of one identifier are different things.
package enum BlobType: UInt8, Sendable, CaseIterable {
  case data = 0
  case tree = 1
}

/// What names a blob in an index: its type and its identifier.
package struct BlobHandle: Hashable, Sendable {
  package let type: BlobType
  package let id: BlobID

  package init(_ type: BlobType, _ id: BlobID) {
    self.type = type
    self.id = id
  }
}
