import FileTree

/// Compares two entries of the same path: a pure function of what the walks have found.
struct EntryComparison {
  let ignoresOwner: Bool

  /// How the content of two regular files stands to each other.
  enum Content {
    case equal
    case different
    /// It was not compared, or could not be read.
    case unknown
  }

  /// The difference, or nil when the entries are equal. `links` is what ``LinkGroups`` says of the
  /// two.
  func compare(
    _ a: Entry, in listA: DirectoryListing, _ b: Entry, in listB: DirectoryListing,
    content: Content, links: DifferenceReason? = nil
  ) -> TreeDifference? {
    var reasons: [DifferenceReason] = []
    guard a.kind == b.kind else {
      return EntryComparison.difference(
        a, in: listA, change: EntryComparison.new(a), [.kind(a.kind, b.kind)])
    }
    if a.size != b.size { reasons.append(.size(a.size, b.size)) }
    if a.size == b.size, content == .different { reasons.append(.content) }
    compareIdentity(a, listA, b, listB, into: &reasons)
    if let links { reasons.append(links) }
    if a.mode != b.mode, a.kind != .symbolicLink { reasons.append(.mode(a.mode, b.mode)) }
    if !ignoresOwner {
      if a.userID != b.userID { reasons.append(.user(a.userID, b.userID)) }
      if a.groupID != b.groupID { reasons.append(.group(a.groupID, b.groupID)) }
    }
    if !a.hasSameTime(as: b) {
      reasons.append(.modified(EntryComparison.time(a), EntryComparison.time(b)))
    }
    compareAttributes(listA.bytes(a.attributes), listB.bytes(b.attributes), into: &reasons)
    if reasons.isEmpty { return nil }
    return EntryComparison.difference(
      a, in: listA, change: EntryComparison.change(a.kind, reasons), reasons)
  }

  /// The difference of an entry that only one side has.
  static func onlyInA(_ entry: Entry, in listing: DirectoryListing) -> TreeDifference {
    difference(entry, in: listing, change: new(entry), [.onlyInA])
  }

  /// See ``onlyInA(_:in:)``.
  static func onlyInB(_ entry: Entry, in listing: DirectoryListing) -> TreeDifference {
    difference(entry, in: listing, change: "*deleting  ", [.onlyInB])
  }

  private static func difference(
    _ entry: Entry, in listing: DirectoryListing, change: String, _ reasons: [DifferenceReason]
  ) -> TreeDifference {
    var path = entry.name.count == 0 ? [0x2e] : listing.path(of: entry)
    if entry.kind == .directory { path.append(0x2f) }
    return TreeDifference(path: path, change: change, reasons: reasons)
  }

  /// What makes an entry another one: target and device.
  private func compareIdentity(
    _ a: Entry, _ listA: DirectoryListing, _ b: Entry, _ listB: DirectoryListing,
    into reasons: inout [DifferenceReason]
  ) {
    let targets = (listA.bytes(a.target), listB.bytes(b.target))
    if compareBytes(targets.0, targets.1) != 0 {
      reasons.append(.target([UInt8](targets.0), [UInt8](targets.1)))
    }
    if a.deviceMajor != b.deviceMajor || a.deviceMinor != b.deviceMinor {
      reasons.append(
        .device("\(a.deviceMajor):\(a.deviceMinor)", "\(b.deviceMajor):\(b.deviceMinor)"))
    }
  }

  /// Names the attributes that differ.
  private func compareAttributes(
    _ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer,
    into reasons: inout [DifferenceReason]
  ) {
    if compareBytes(a, b) == 0 { return }
    var readerA = ByteReader(a)
    var readerB = ByteReader(b)
    // Blocks are made or validated by the walk: reading them does not fail.
    var join = MergeJoin(
      left: { readerA.remaining > 0 ? try? AttributeBlock.next(&readerA) : nil },
      // As above.
      right: { readerB.remaining > 0 ? try? AttributeBlock.next(&readerB) : nil },
      order: { compareBytes($0.name, $1.name) })
    while let joined = join.next() {
      switch joined {
      case .left(let attribute), .right(let attribute):
        reasons.append(.attribute([UInt8](attribute.name)))
      case .both(let left, let right):
        if compareBytes(left.value, right.value) != 0 {
          reasons.append(.attribute([UInt8](left.name)))
        }
      }
    }
  }

  private static func time(_ entry: Entry) -> WallTimeText {
    WallTimeText(seconds: entry.modifiedSeconds, nanoseconds: entry.modifiedNanoseconds)
  }

  // MARK: rsync's itemized form

  private static func update(_ kind: EntryKind) -> String {
    kind == .regular ? ">" : "c"
  }

  private static func new(_ entry: Entry) -> String {
    let update = entry.linkPath.count > 0 ? "h" : update(entry.kind)
    return "\(update)\(entry.kind.itemLetter)+++++++++"
  }

  /// The column of a reason after the two letters, and its sign.
  private static func column(_ reason: DifferenceReason) -> (index: Int, sign: Character)? {
    switch reason {
    case .content, .contentWithin, .target, .device: (0, "c")
    case .size: (1, "s")
    case .modified: (2, "t")
    case .mode: (3, "p")
    case .user: (4, "o")
    case .group: (5, "g")
    case .attribute(let name):
      name.withUnsafeBytes(AttributeBlock.isList) ? (7, "a") : (8, "x")
    case .onlyInA, .onlyInB, .kind, .hardLink: nil
    }
  }

  private static func change(_ kind: EntryKind, _ reasons: [DifferenceReason]) -> String {
    var signs = [Character](repeating: ".", count: 9)
    var update = "."
    for reason in reasons {
      if let (index, sign) = column(reason) { signs[index] = sign }
      switch reason {
      case .hardLink: update = "h"
      case .size, .content, .contentWithin, .target, .device:
        if update == "." { update = self.update(kind) }
      default: break
      }
    }
    return "\(update)\(kind.itemLetter)\(String(signs))"
  }
}
