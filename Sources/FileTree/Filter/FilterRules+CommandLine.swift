import Glibc
import Platform

extension FilterRules {
  /// Reads the filter options of a command line, in their order.
  ///
  /// A pattern may say itself what it is by a prefix, `+ ` or `- `, and a lone `!` forgets all
  /// rules so far, both as in rsync. In files, empty lines and lines that begin with `#` or `;` are
  /// skipped.
  ///
  /// - Throws: `.unreadable` for a file; the pattern and limit cases with option, file and line.
  package init(commandLine options: [FilterOption]) throws(FilterError) {
    self.init()
    var size = FilterRules.encodedHeaderSizeBytes
    for option in options {
      let origin = FilterOrigin(option: option.name)
      switch option {
      case .include(let text):
        try parse(Array(text.utf8)[...], as: .include, at: origin, size: &size)
      case .exclude(let text):
        try parse(Array(text.utf8)[...], as: .exclude, at: origin, size: &size)
      case .includeFrom(let file):
        try parseFile(file, as: .include, at: origin, size: &size)
      case .excludeFrom(let file):
        try parseFile(file, as: .exclude, at: origin, size: &size)
      }
    }
  }

  private mutating func parse(
    _ text: ArraySlice<UInt8>, as action: FilterRule.Action, at origin: FilterOrigin,
    size: inout Int
  ) throws(FilterError) {
    // rsync takes an empty option for no rule at all, but a prefix without pattern for an error.
    guard let first = text.first else { return }
    if text.count == 1, first == FilterByte.exclamation {
      self = FilterRules()
      size = FilterRules.encodedHeaderSizeBytes
      return
    }
    let rule: FilterRule
    if text.starts(with: "- ".utf8) {
      rule = try FilterRule(.exclude, text.dropFirst(2), at: origin)
    } else if text.starts(with: "+ ".utf8) {
      rule = try FilterRule(.include, text.dropFirst(2), at: origin)
    } else {
      rule = try FilterRule(action, text, at: origin)
    }
    guard rules.count < FilterRules.ruleCountMax else { throw .tooManyRules(origin) }
    size += FilterRules.encodedSizeBytes(of: rule)
    guard size <= FilterRules.encodedSizeBytesMax else { throw .rulesTooLarge(origin) }
    append(rule)
  }

  private mutating func parseFile(
    _ file: String, as action: FilterRule.Action, at origin: FilterOrigin, size: inout Int
  ) throws(FilterError) {
    var origin = origin
    origin.file = file
    let content: [UInt8]
    do {
      content = try readFilterFile(file)
    } catch {
      throw .unreadable(origin, error)
    }
    guard content.count <= filterFileSizeBytesMax else { throw .rulesTooLarge(origin) }
    var number = 0
    // A carriage return ends a line as well, so that files of other systems work; rsync does the
    // same.
    for line in content.split(
      omittingEmptySubsequences: false, whereSeparator: { $0 == 0x0a || $0 == 0x0d })
    {
      let endsWithPair =
        line.endIndex + 1 < content.count
        && content[line.endIndex] == 0x0d && content[line.endIndex + 1] == 0x0a
      number += 1
      origin.line = number
      // The empty piece between the two bytes of a line end is no line of its own.
      if endsWithPair { number -= 1 }
      if line.first == UInt8(ascii: "#") || line.first == UInt8(ascii: ";") { continue }
      try parse(line, as: action, at: origin, size: &size)
    }
  }
}

/// Largest filter file: four times the largest list of rules, which leaves room for comments.
private let filterFileSizeBytesMax = 4 * FilterRules.encodedSizeBytesMax

/// The bytes of a file, or of standard input for `-`; one byte more than the limit at most.
private func readFilterFile(_ file: String) throws(PlatformError) -> [UInt8] {
  if file == "-" { return try readAll(0, file) }
  let raw = retryingOnInterrupt { open(file, O_RDONLY | O_CLOEXEC) }
  guard raw >= 0 else { throw .last("open", file) }
  let descriptor = Descriptor(owning: raw)
  return try readAll(descriptor.raw, file)
}

private func readAll(_ descriptor: Int32, _ file: String) throws(PlatformError) -> [UInt8] {
  var content: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 64 << 10)
  while content.count <= filterFileSizeBytesMax {
    let count = retryingOnInterrupt {
      buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
    }
    guard count >= 0 else { throw .last("read", file) }
    if count == 0 { break }
    content.append(contentsOf: buffer[..<count])
  }
  return content
}
