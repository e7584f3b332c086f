import FileTree

/// Two listings of the same path joined by name, and which files of them have to be read.
struct DirectoryPair {
  /// Indexes of the entries of each side.
  let joined: [Joined<Int, Int>]
  private(set) var readA: [Int] = []
  private(set) var readB: [Int] = []

  /// One side may be missing: the directory does not stand there.
  init(_ a: DirectoryListing?, _ b: DirectoryListing?, _ options: VerificationOptions) {
    joined = DirectoryPair.join(a, b)
    guard options.comparesContent else { return }
    for place in joined {
      switch place {
      case .left(let index): readAlone(index, in: a, options, &readA)
      case .right(let index): readAlone(index, in: b, options, &readB)
      case .both(let left, let right):
        guard let a, let b else { continue }
        let isWanted = DirectoryPair.isComparable(a, a.entries[left], b, b.entries[right])
        if isWanted { readA.append(left) } else { readAlone(left, in: a, options, &readA) }
        if isWanted { readB.append(right) } else { readAlone(right, in: b, options, &readB) }
      }
    }
  }

  private static func join(
    _ a: DirectoryListing?, _ b: DirectoryListing?
  ) -> [Joined<Int, Int>] {
    var joined: [Joined<Int, Int>] = []
    joined.reserveCapacity(max(a?.entries.count ?? 0, b?.entries.count ?? 0))
    var nextA = 0
    var nextB = 0
    var join = MergeJoin(
      left: { advance(&nextA, in: a) }, right: { advance(&nextB, in: b) },
      order: { left, right in
        guard let a, let b else { return 0 }
        return compareBytes(a.name(of: a.entries[left]), b.name(of: b.entries[right]))
      })
    while let place = join.next() { joined.append(place) }
    return joined
  }

  /// The index of the next entry that counts.
  private static func advance(_ index: inout Int, in listing: DirectoryListing?) -> Int? {
    guard let listing else { return nil }
    while index < listing.entries.count {
      defer { index += 1 }
      if !listing.entries[index].isLeftover { return index }
    }
    return nil
  }

  /// A file that is not compared is read for the digest alone.
  private func readAlone(
    _ index: Int, in listing: DirectoryListing?, _ options: VerificationOptions,
    _ indexes: inout [Int]
  ) {
    guard options.computesDigests, let listing,
      DirectoryDigester.needsContent(listing.entries[index])
    else { return }
    indexes.append(index)
  }

  /// Whether the content of two files has to be compared: not when the sizes tell already, nor for
  /// further names of files that are compared under their first.
  private static func isComparable(
    _ listA: DirectoryListing, _ a: Entry, _ listB: DirectoryListing, _ b: Entry
  ) -> Bool {
    guard a.kind == .regular, b.kind == .regular, a.size == b.size else { return false }
    let areSameLink =
      a.linkPath.count > 0
      && compareBytes(listA.bytes(a.linkPath), listB.bytes(b.linkPath)) == 0
    return !areSameLink
  }
}
