import FileTree

/// Says whether names are hard-linked to each other in the same way on both sides.
///
/// A group is known by the path of its first name, which is another one on each side where a name
/// is missing: so it is not those paths that are compared, but which group of A goes with which of
/// B. The first common name of two groups pairs them; a later name that pairs otherwise is a
/// difference. Holds two paths for each group.
struct LinkGroups {
  private var groupOfB: [[UInt8]: [UInt8]] = [:]
  private var groupOfA: [[UInt8]: [UInt8]] = [:]

  /// The groups of a name that stands on both sides, when they do not go with each other.
  mutating func difference(
    _ a: Entry, in listA: DirectoryListing, _ b: Entry, in listB: DirectoryListing
  ) -> DifferenceReason? {
    guard a.kind != .directory, a.linkCount > 1 || b.linkCount > 1 else { return nil }
    let groups = (LinkGroups.group(of: a, in: listA), LinkGroups.group(of: b, in: listB))
    let knownB = groupOfB[groups.0]
    let knownA = groupOfA[groups.1]
    if knownB == nil { groupOfB[groups.0] = groups.1 }
    if knownA == nil { groupOfA[groups.1] = groups.0 }
    if (knownB ?? groups.1) == groups.1, (knownA ?? groups.0) == groups.0 { return nil }
    return .hardLink([UInt8](listA.bytes(a.linkPath)), [UInt8](listB.bytes(b.linkPath)))
  }

  private static func group(of entry: Entry, in listing: DirectoryListing) -> [UInt8] {
    entry.linkPath.count > 0
      ? [UInt8](listing.bytes(entry.linkPath)) : listing.path(of: entry)
  }
}
