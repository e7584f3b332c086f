import Glibc

/// The entries of one directory, sorted by the bytes of their names, or a sorted part of them.
package final class DirectoryListing: @unchecked Sendable {
  /// Path relative to the root, without a leading slash; empty for the root itself.
  package let path: [UInt8]
  package var entries: [Entry] = []
  package var arena = ByteArena()
  /// The directory itself as it was when it was read; only what ``Entry`` holds without an arena.
  package var directory = Entry()
  /// Some names could not be read: nothing may be deleted because it is absent here.
  package var isIncomplete = false

  package init(path: [UInt8]) { self.path = path }

  /// Bytes of memory, for budgets.
  package var weight: Int {
    arena.capacity + entries.capacity * MemoryLayout<Entry>.stride + path.count + 64
  }

  package func name(of entry: Entry) -> UnsafeRawBufferPointer {
    arena.bytes(at: entry.name.offset, count: Int(entry.name.count))
  }

  package func cName(of entry: Entry) -> UnsafePointer<CChar> {
    arena.cString(at: entry.name.offset)
  }

  package func bytes(_ slice: ArenaSlice) -> UnsafeRawBufferPointer {
    arena.bytes(at: slice.offset, count: Int(slice.count))
  }

  /// Path of an entry relative to the root.
  package func path(of entry: Entry) -> [UInt8] { path.appending(name(of: entry)) }

  /// Sorts the entries by the bytes of their names. Small keys are sorted and the entries moved
  /// once: a directory may hold millions.
  package func sort() {
    guard entries.count > 1 else { return }
    var keys = entries.indices.map { index in
      SortKey(prefix: SortKey.prefix(name(of: entries[index])), index: UInt32(index))
    }
    keys.sort { a, b in
      if a.prefix != b.prefix { return a.prefix < b.prefix }
      return compareBytes(name(of: entries[Int(a.index)]), name(of: entries[Int(b.index)])) < 0
    }
    move(by: &keys)
  }

  /// Puts at each place the entry that its key names, along the cycles of the permutation.
  private func move(by keys: inout [SortKey]) {
    for start in keys.indices where Int(keys[start].index) != start {
      let first = entries[start]
      var place = start
      while true {
        let next = Int(keys[place].index)
        keys[place].index = UInt32(place)
        if next == start { break }
        entries[place] = entries[next]
        place = next
      }
      entries[place] = first
    }
  }

  /// Index of the entry with this name, by binary search.
  package func index(of name: UnsafeRawBufferPointer) -> Int? {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      let order = compareBytes(self.name(of: entries[middle]), name)
      if order == 0 { return middle }
      if order < 0 { low = middle + 1 } else { high = middle }
    }
    return nil
  }
}

/// Stands for an entry while a listing is sorted.
private struct SortKey {
  /// The first eight bytes of the name, the first one highest. Names hold no NUL, so shorter ones
  /// are filled with it.
  let prefix: UInt64
  var index: UInt32

  static func prefix(_ name: UnsafeRawBufferPointer) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<8 { value = value << 8 | (index < name.count ? UInt64(name[index]) : 0) }
    return value
  }
}

extension [UInt8] {
  /// A path one component longer.
  package func appending(_ name: UnsafeRawBufferPointer) -> [UInt8] {
    var path = self
    path.reserveCapacity(count + 1 + name.count)
    if !path.isEmpty { path.append(0x2f) }
    path.append(contentsOf: name)
    return path
  }
}

/// Order of two names: bytewise, shorter first. Negative, zero or positive as `memcmp`.
package func compareBytes(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
  let common = min(a.count, b.count)
  if common > 0, let left = a.baseAddress, let right = b.baseAddress {
    let order = memcmp(left, right, common)
    if order != 0 { return Int(order) }
  }
  return a.count - b.count
}

extension DirectoryListing {
  /// A listing of which the directory itself, without a name, is the only entry: how the root of a
  /// tree enters a digest.
  package func ownEntryListing() -> DirectoryListing {
    let own = DirectoryListing(path: path)
    own.append(directory, from: self)
    return own
  }

  /// Appends a copy of an entry of another listing with all that it points to.
  package func append(_ entry: Entry, from other: DirectoryListing) {
    var copy = entry
    func move(_ slice: ArenaSlice) -> ArenaSlice {
      guard slice.count > 0 else { return ArenaSlice() }
      return ArenaSlice(offset: arena.appendString(other.bytes(slice)), count: slice.count)
    }
    copy.name = ArenaSlice(
      offset: arena.appendString(other.bytes(entry.name)), count: entry.name.count)
    copy.target = move(entry.target)
    copy.attributes = move(entry.attributes)
    copy.linkPath = move(entry.linkPath)
    entries.append(copy)
  }
}
