/// The form in which a sender gives its rules to the receiver, which protects what they exclude.
///
/// | offset | size | meaning |
/// |---|---|---|
/// | 0 | 4 | number of rules, little endian, at most 65,536 |
/// | 4 | 1 | action of the first rule: 1 include, 2 exclude |
/// | 5 | 2 | size of its pattern in bytes, little endian, 1…5,120 |
/// | 7 | n | the pattern, no NUL |
/// | … | | further rules; nothing follows the last |
extension FilterRules {
  static let encodedHeaderSizeBytes = 4

  static func encodedSizeBytes(of rule: FilterRule) -> Int { 3 + rule.pattern.count }

  /// The rules as bytes for the wire.
  package func encoded() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(
      rules.reduce(FilterRules.encodedHeaderSizeBytes) {
        $0 + FilterRules.encodedSizeBytes(of: $1)
      })
    withUnsafeBytes(of: UInt32(rules.count).littleEndian) { bytes.append(contentsOf: $0) }
    for rule in rules {
      bytes.append(rule.action.rawValue)
      withUnsafeBytes(of: UInt16(rule.pattern.count).littleEndian) { bytes.append(contentsOf: $0) }
      bytes.append(contentsOf: rule.pattern)
    }
    return bytes
  }

  /// Reads what `encoded()` wrote; `bytes` is checked as input from a stranger.
  ///
  /// - Throws: `.malformed`, `.tooManyRules`, `.rulesTooLarge`, `.emptyPattern`, `.patternTooLong`,
  ///   `.nulInPattern`.
  package init(decoding bytes: UnsafeRawBufferPointer) throws(FilterError) {
    self.init()
    guard bytes.count <= FilterRules.encodedSizeBytesMax else { throw .rulesTooLarge(nil) }
    guard bytes.count >= FilterRules.encodedHeaderSizeBytes else {
      throw .malformed(reason: "the number of rules is cut short", offset: bytes.count)
    }
    let count = UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self))
    guard count <= FilterRules.ruleCountMax else { throw .tooManyRules(nil) }
    var offset = FilterRules.encodedHeaderSizeBytes
    for _ in 0..<count {
      guard bytes.count - offset >= 3 else {
        throw .malformed(reason: "a rule is cut short", offset: offset)
      }
      guard let action = FilterRule.Action(rawValue: bytes[offset]) else {
        throw .malformed(reason: "\(bytes[offset]) is no action", offset: offset)
      }
      let size = Int(
        UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 1, as: UInt16.self)))
      offset += 3
      guard bytes.count - offset >= size else {
        throw .malformed(reason: "a pattern is cut short", offset: offset)
      }
      append(try FilterRule(action, Array(bytes[offset..<(offset + size)])))
      offset += size
    }
    guard offset == bytes.count else {
      throw .malformed(reason: "bytes follow the last rule", offset: offset)
    }
  }
}
