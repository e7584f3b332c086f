package import Platform

/// What stops the reading of `permissions.facl`.
package struct AccessTextError: DroverError, Equatable {
  /// Counts from 1.
  package let line: Int
  package let problem: String

  package var kind: FailureKind { .corrupt }
  package var message: String { "permissions file, line \(line): \(problem)" }
}

/// Reads what `getfacl` writes, as `setfacl --restore` reads it, one record after the other.
///
/// Records are kept apart by empty lines. Lists are completed: a mask is added when somebody is
/// named and there is none, and what a default list lacks comes from the access list. Of one kind
/// and name the last entry counts.
///
/// Comments of Drover's own, which ``AccessNote`` describes, are read as well. Memory holds a
/// record and a piece of the text.
///
/// Source: setfacl(1), "ACL entries" and `--restore`. Stricter in two points: entries without a
/// file, which `setfacl` passes over, and a `# file:` without an empty line before it, which
/// `setfacl` takes for a comment, are errors.
package struct AccessTextReader: Sendable {
  private struct Draft {
    var line: Int
    var path: [UInt8]?
    var owner: [UInt8]?
    var group: [UInt8]?
    var flags: UInt8?
    var access: [AccessEntry] = []
    var inherited: [AccessEntry] = []
    var note: AccessNote?

    var hasEntries: Bool { !access.isEmpty || !inherited.isEmpty }
  }

  /// Gives the next piece of the text; an empty one at its end.
  package typealias Source = @Sendable () throws(PlatformError) -> [UInt8]

  /// What has been read and not taken yet begins at `position`.
  private var text: [UInt8]
  private var position = 0
  private let source: Source
  private var isAtEnd = false
  private var line = 0
  /// The link behind the record that was given last.
  private var pending: AccessLink?
  /// Entries have ended, links may follow.
  private var isInTail = false
  private var hasBegun = false
  /// Of Drover's comments; nil for a text that `getfacl` has written. Known from the first record
  /// on.
  package private(set) var format: Int?

  /// Longest line: one of a link, with every byte escaped.
  private static let lineSizeBytesMax = 4 * (4096 + 4096) + 128
  /// Most entries of one list: what an attribute of 64 KiB can hold.
  private static let entryCountMax = 8191

  package init(_ text: [UInt8]) {
    self.text = text
    source = { [] }
  }

  /// Reads the text piece by piece.
  package init(reading source: @escaping Source) {
    text = []
    self.source = source
  }

  /// The next record; nil at the end. Links are passed over.
  ///
  /// - Throws: ``AccessTextError``; nothing can be read behind one.
  package mutating func next() throws(AccessTextError) -> AccessRecord? {
    while let item = try nextItem() {
      if case .record(let record) = item { return record }
    }
    return nil
  }

  /// The next record or link; nil at the end.
  ///
  /// - Throws: ``AccessTextError``; nothing can be read behind one.
  package mutating func nextItem() throws(AccessTextError) -> AccessItem? {
    if let link = pending {
      pending = nil
      return .link(link)
    }
    if isInTail, let link = try readTail() { return .link(link) }
    var draft: Draft?
    while let content = try takeLine().map(AccessTextReader.trimmed) {
      if content.isEmpty {
        if let draft, draft.hasEntries { return .record(try record(draft)) }
        continue
      }
      var current = draft ?? Draft(line: line)
      if content.first != UInt8(ascii: "#") {
        try readEntry(content, &current)
      } else if let link = try link(content), current.hasEntries {
        (pending, isInTail) = (link, true)
        return .record(try record(current))
      } else {
        try readComment(content.dropFirst(), &current)
      }
      draft = current
    }
    guard let draft, draft.hasEntries || draft.path != nil else { return nil }
    return .record(try record(draft))
  }

  /// The next link behind the entries of a record; nil behind the last.
  private mutating func readTail() throws(AccessTextError) -> AccessLink? {
    while let content = try takeLine().map(AccessTextReader.trimmed), !content.isEmpty {
      guard content.first == UInt8(ascii: "#") else {
        throw problem("an entry stands behind a link")
      }
      if let link = try link(content) { return link }
      if AccessTextReader.label(content.dropFirst())?.label == "file" {
        throw problem("an empty line is missing before the next file")
      }
    }
    isInTail = false
    return nil
  }

  /// The link that a comment is; nil for another one.
  private func link(_ content: ArraySlice<UInt8>) throws(AccessTextError) -> AccessLink? {
    guard let (label, value) = AccessTextReader.label(content.dropFirst()),
      label == AccessLink.label
    else { return nil }
    guard let link = AccessLink(value) else { throw problem("this is no link") }
    return link
  }

  /// All records.
  package mutating func all() throws(AccessTextError) -> [AccessRecord] {
    var records: [AccessRecord] = []
    while let record = try next() { records.append(record) }
    return records
  }

  private func problem(_ text: String) -> AccessTextError {
    AccessTextError(line: line, problem: text)
  }

  /// The next line, nil at the end. A path may end in blanks, so that only line ends are cut here.
  private mutating func takeLine() throws(AccessTextError) -> ArraySlice<UInt8>? {
    line += 1
    var end = text[position...].firstIndex(of: 0x0a)
    while end == nil, !isAtEnd {
      guard text.count - position <= AccessTextReader.lineSizeBytesMax else { break }
      let piece: [UInt8]
      do throws(PlatformError) { piece = try source() } catch {
        throw problem("it cannot be read: \(PlatformError.reason(of: error.errno))")
      }
      isAtEnd = piece.isEmpty
      text = Array(text[position...]) + piece
      position = 0
      end = text.firstIndex(of: 0x0a)
    }
    if end == nil, position == text.count { return nil }
    let stop = end ?? text.count
    guard stop - position <= AccessTextReader.lineSizeBytesMax else {
      throw problem("it is longer than \(AccessTextReader.lineSizeBytesMax) bytes")
    }
    let content = text[position..<stop]
    position = min(stop + 1, text.count)
    return content.last == 0x0d ? content.dropLast() : content
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d) ~= byte }

  private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let text = text.drop(while: isBlank)
    if text.first == UInt8(ascii: "#") { return text }
    let count = text.reversed().prefix(while: isBlank).count
    return text.dropLast(count)
  }

  /// A comment `# LABEL: VALUE` without its mark.
  private static func label(
    _ text: ArraySlice<UInt8>
  ) -> (label: String, value: ArraySlice<UInt8>)? {
    let content = text.drop(while: isBlank)
    guard let colon = content.firstIndex(of: 0x3a) else { return nil }
    let value = content[(colon + 1)...].drop(while: isBlank)
    return (String(decoding: content[..<colon], as: UTF8.self), value)
  }

  private mutating func readComment(
    _ text: ArraySlice<UInt8>, _ draft: inout Draft
  ) throws(AccessTextError) {
    guard let (label, value) = AccessTextReader.label(text) else { return }
    if draft.hasEntries {
      guard label != "file" else { throw problem("an empty line is missing before the next file") }
      return
    }
    let name = AccessQuoting.unquoted(value)
    switch label {
    case "file":
      guard draft.path == nil, !name.isEmpty, !name.contains(0) else {
        throw problem("the file's name is empty, or comes twice")
      }
      draft.path = name
    case "owner":
      guard draft.owner == nil else { throw problem("the owner comes twice") }
      draft.owner = name
    case "group":
      guard draft.group == nil else { throw problem("the group comes twice") }
      draft.group = name
    case "flags":
      guard draft.flags == nil, let flags = AccessTextReader.flags(value) else {
        throw problem("the flags are not of the form sst")
      }
      draft.flags = flags
    case AccessNote.label:
      guard draft.note == nil, let note = AccessNote(value) else {
        throw problem("the kind and the time are not of the form d 1.5")
      }
      draft.note = note
    case AccessNote.formatLabel: try readFormat(value)
    case AccessLink.label: throw problem("a link stands before the entries")
    default: return
    }
  }

  private mutating func readFormat(_ value: ArraySlice<UInt8>) throws(AccessTextError) {
    guard !hasBegun, format == nil, let number = Int(String(decoding: value, as: UTF8.self)) else {
      throw problem("the format is no number, or does not come first")
    }
    guard (1...AccessNote.format).contains(number) else {
      throw problem("it is of format \(number), which is not known here")
    }
    format = number
  }

  private static func flags(_ text: ArraySlice<UInt8>) -> UInt8? {
    let text = trimmed(text)
    guard text.count == 3 else { return nil }
    var flags: UInt8 = 0
    for (byte, letter) in zip(text, "sst".utf8) {
      guard byte == letter || byte == 0x2d else { return nil }
      flags = flags << 1 | (byte == letter ? 1 : 0)
    }
    return flags
  }

  private func readEntry(
    _ text: ArraySlice<UInt8>, _ draft: inout Draft
  ) throws(AccessTextError) {
    let content = text.prefix { $0 != UInt8(ascii: "#") }
    var fields = content.split(separator: 0x3a, omittingEmptySubsequences: false)
      .map { AccessTextReader.trimmed($0) }
    let isInherited = ["default", "d"].contains(String(decoding: fields[0], as: UTF8.self))
    if isInherited { fields.removeFirst() }
    guard let entry = AccessTextReader.entry(fields) else {
      throw problem("this is no entry of an access control list")
    }
    if isInherited {
      AccessTextReader.set(entry, in: &draft.inherited)
    } else {
      AccessTextReader.set(entry, in: &draft.access)
    }
    guard max(draft.access.count, draft.inherited.count) <= AccessTextReader.entryCountMax else {
      throw problem("more than \(AccessTextReader.entryCountMax) entries")
    }
  }

  private static func set(_ entry: AccessEntry, in entries: inout [AccessEntry]) {
    let index = entries.firstIndex { $0.kind == entry.kind && $0.name == entry.name }
    if let index { entries[index] = entry } else { entries.append(entry) }
  }

  private static func entry(_ fields: [ArraySlice<UInt8>]) -> AccessEntry? {
    guard let label = fields.first, let last = fields.last, let permissions = permissions(last)
    else { return nil }
    let name = fields.count == 3 ? AccessQuoting.unquoted(fields[1]) : []
    switch (String(decoding: label, as: UTF8.self), fields.count) {
    case ("user", 3), ("u", 3):
      return AccessEntry(name.isEmpty ? .owner : .user, name, permissions: permissions)
    case ("group", 3), ("g", 3):
      return AccessEntry(name.isEmpty ? .owningGroup : .group, name, permissions: permissions)
    case ("mask", 2...3) where name.isEmpty, ("m", 2...3) where name.isEmpty:
      return AccessEntry(.mask, permissions: permissions)
    case ("other", 2...3) where name.isEmpty, ("o", 2...3) where name.isEmpty:
      return AccessEntry(.other, permissions: permissions)
    default: return nil
    }
  }

  /// Letters in any order, each once, hyphens anywhere; or one octal digit.
  private static func permissions(_ text: ArraySlice<UInt8>) -> UInt8? {
    if text.count == 1, let digit = text.first, (0x30...0x37).contains(digit) {
      return digit - 0x30
    }
    guard !text.isEmpty else { return nil }
    var result: UInt8 = 0
    for byte in text {
      let bit: UInt8
      switch byte {
      case 0x72: bit = 4
      case 0x77: bit = 2
      case 0x78: bit = 1
      case 0x2d: continue
      default: return nil
      }
      guard result & bit == 0 else { return nil }
      result |= bit
    }
    return result
  }

  private mutating func record(_ draft: Draft) throws(AccessTextError) -> AccessRecord {
    hasBegun = true
    guard let path = draft.path else {
      throw AccessTextError(line: draft.line, problem: "no # file: stands before the entries")
    }
    var access = draft.access
    AccessTextReader.addMask(to: &access)
    for kind in [AccessEntry.Kind.owner, .owningGroup, .other]
    where !access.contains(where: { $0.kind == kind }) {
      throw AccessTextError(
        line: draft.line, problem: "the owner, the group or the others have no entry")
    }
    var inherited = draft.inherited
    if !inherited.isEmpty {
      for entry in access where [.owner, .owningGroup, .other].contains(entry.kind) {
        if !inherited.contains(where: { $0.kind == entry.kind }) { inherited.append(entry) }
      }
      AccessTextReader.addMask(to: &inherited)
    }
    return AccessRecord(
      path: path, owner: draft.owner, group: draft.group, flags: draft.flags,
      access: AccessTextReader.ordered(access), inherited: AccessTextReader.ordered(inherited),
      note: draft.note)
  }

  /// The mask of a list that names somebody is the union of what it holds for.
  private static func addMask(to entries: inout [AccessEntry]) {
    guard entries.contains(where: { $0.kind.isNamed }),
      !entries.contains(where: { $0.kind == .mask })
    else { return }
    let masked = entries.filter { $0.kind.isNamed || $0.kind == .owningGroup }
    entries.append(AccessEntry(.mask, permissions: masked.reduce(0) { $0 | $1.permissions }))
  }

  private static func ordered(_ entries: [AccessEntry]) -> [AccessEntry] {
    entries.enumerated().sorted { ($0.element.kind, $0.offset) < ($1.element.kind, $1.offset) }
      .map(\.element)
  }
}
