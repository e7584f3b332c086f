/// Which names are written differently in a store, as the option `encoding` says it.
///
/// Of rclone's rules three are served, the ones that S3 and Linux need: `Slash` and `Dot`, which no
/// name of Linux ever meets, and `InvalidUtf8`.
package struct NameEncoding: Sendable, Hashable {
  /// A byte that is not part of UTF-8 is written as U+201B and two digits.
  package let escapesInvalidUTF8: Bool

  /// Of a bucket, unless told otherwise.
  package static let s3 = NameEncoding(escapesInvalidUTF8: true)
  /// Of a local directory, unless told otherwise: names as they are.
  package static let local = NameEncoding(escapesInvalidUTF8: false)

  package init(escapesInvalidUTF8: Bool) { self.escapesInvalidUTF8 = escapesInvalidUTF8 }

  /// Reads a list such as `Slash,InvalidUtf8,Dot`, or `None`, or `Raw`; nil for one with a rule
  /// that is not served.
  package init?(_ text: String) {
    let rules = Set(text.split(separator: ",", omittingEmptySubsequences: false))
    guard rules.isSubset(of: ["Slash", "InvalidUtf8", "Dot", "None", "Raw"]) else { return nil }
    escapesInvalidUTF8 = rules.contains("InvalidUtf8")
  }

  init(_ reader: OptionReader, default standard: NameEncoding) throws(RemoteError) {
    self = try reader.read(
      "encoding", default: standard,
      expected: "a list of Slash, InvalidUtf8 and Dot, or None, is expected; other rules are not"
        + " served"
    ) { NameEncoding($0) }
  }
}

/// Names of Linux as elements of keys, and back.
///
/// A name goes through as it is, byte by byte, but for two things. A byte that is not part of UTF-8
/// is written as U+201B and two upper-case digits. And U+201B itself, where it would be read as
/// such an escape, is written as three of them, one for each of its bytes; a pair of U+201B stands
/// for itself. rclone reads and writes the same, except that it fails on the names of the second
/// kind.
///
/// So every name has one element of a key, and an element that no name has is told apart.
extension NameEncoding {
  private static let quote: [UInt8] = [0xe2, 0x80, 0x9b]

  /// Appends a name, which is neither empty nor `.` nor `..` and has no slash and no NUL.
  package func append(_ name: UnsafeBufferPointer<UInt8>, to key: inout [UInt8]) {
    guard escapesInvalidUTF8, name.contains(where: { $0 >= 0x80 }) else {
      key.append(contentsOf: name)
      return
    }
    var index = 0
    while index < name.count {
      let size = UTF8Shape.sizeOfScalar(in: name, at: index)
      if size == 0 {
        NameEncoding.escape(name[index], to: &key)
        index += 1
      } else if NameEncoding.hasQuote(name, at: index) {
        appendQuote(name, &index, to: &key)
      } else {
        for offset in 0..<size { key.append(name[index + offset]) }
        index += size
      }
    }
  }

  private func appendQuote(
    _ name: UnsafeBufferPointer<UInt8>, _ index: inout Int, to key: inout [UInt8]
  ) {
    let next = index + NameEncoding.quote.count
    if NameEncoding.hasQuote(name, at: next) {
      key += NameEncoding.quote + NameEncoding.quote
      index = next + NameEncoding.quote.count
      return
    }
    let isFollowedByEscape =
      NameEncoding.escapedByte(name, at: next) != nil
      || next < name.count && UTF8Shape.sizeOfScalar(in: name, at: next) == 0
    if isFollowedByEscape {
      for byte in NameEncoding.quote { NameEncoding.escape(byte, to: &key) }
    } else {
      key += NameEncoding.quote
    }
    index = next
  }

  private static func escape(_ byte: UInt8, to key: inout [UInt8]) {
    let digits: StaticString = "0123456789ABCDEF"
    key += quote
    key.append(digits.utf8Start[Int(byte >> 4)])
    key.append(digits.utf8Start[Int(byte & 15)])
  }

  private static func hasQuote(_ text: UnsafeBufferPointer<UInt8>, at index: Int) -> Bool {
    index + 3 <= text.count && text[index] == 0xe2 && text[index + 1] == 0x80
      && text[index + 2] == 0x9b
  }

  /// The byte that two digits stand for, one that only occurs outside ASCII.
  private static func escapedByte(
    _ text: UnsafeBufferPointer<UInt8>, at index: Int
  ) -> UInt8? {
    func digit(_ byte: UInt8) -> UInt8? {
      switch byte {
      case 0x30...0x39: byte - 0x30
      case 0x41...0x46: byte - 0x41 + 10
      default: nil
      }
    }
    guard index + 2 <= text.count, let high = digit(text[index]), high >= 8,
      let low = digit(text[index + 1])
    else { return nil }
    return high << 4 | low
  }

  /// Appends the name of an element; false, with a part of it appended, when no name has it.
  package func append(
    decoding element: UnsafeBufferPointer<UInt8>, to name: inout [UInt8]
  ) -> Bool {
    let start = name.count
    guard escapesInvalidUTF8, element.contains(where: { $0 >= 0x80 }) else {
      name.append(contentsOf: element)
      return true
    }
    var hasQuotes = false
    var index = 0
    while index < element.count {
      guard NameEncoding.hasQuote(element, at: index) else {
        name.append(element[index])
        index += 1
        continue
      }
      hasQuotes = true
      let next = index + NameEncoding.quote.count
      if NameEncoding.hasQuote(element, at: next) {
        name += NameEncoding.quote + NameEncoding.quote
        index = next + NameEncoding.quote.count
      } else if let byte = NameEncoding.escapedByte(element, at: next) {
        name.append(byte)
        index = next + 2
      } else {
        name += NameEncoding.quote
        index = next
      }
    }
    let isText = UTF8Shape.isValid(element)
    guard hasQuotes else { return isText }
    var again: [UInt8] = []
    name[start...].withUnsafeBufferPointer { append($0, to: &again) }
    return isText && again.elementsEqual(element)
  }
}

/// What is UTF-8: shortest forms, no surrogates, nothing above U+10FFFF.
/// Source: RFC 3629, section 4.
enum UTF8Shape {
  /// Count of bytes of the scalar at `index`; 0 when there is none.
  static func sizeOfScalar(in text: UnsafeBufferPointer<UInt8>, at index: Int) -> Int {
    let first = text[index]
    if first < 0x80 { return 1 }
    let size: Int
    switch first {
    case 0xc2...0xdf: size = 2
    case 0xe0...0xef: size = 3
    case 0xf0...0xf4: size = 4
    default: return 0
    }
    guard index + size <= text.count else { return 0 }
    let second: ClosedRange<UInt8>
    switch first {
    case 0xe0: second = 0xa0...0xbf
    case 0xed: second = 0x80...0x9f
    case 0xf0: second = 0x90...0xbf
    case 0xf4: second = 0x80...0x8f
    default: second = 0x80...0xbf
    }
    guard second.contains(text[index + 1]) else { return 0 }
    for offset in 2..<max(size, 2) where text[index + offset] & 0xc0 != 0x80 { return 0 }
    return size
  }

  static func isValid(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    var index = 0
    while index < text.count {
      let size = sizeOfScalar(in: text, at: index)
      if size == 0 { return false }
      index += size
    }
    return true
  }
}
