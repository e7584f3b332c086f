import ObjectStorage
import Platform
import TestSupport
import Testing

/// What every store has to keep, one case for each promise. A new store runs all of them.
///
/// A case gets an empty store of its own.
enum ObjectStoreConformance: String, CaseIterable, Sendable {
  case putThenLoad, ranges, behindTheEnd, emptyObject, largeObject, bodiesInPieces, missing
  case listing, listingOrder, listingGoesOn, visitorEnds, deletion, overwrite, oddKeys
  case manyThreads, oneKeyFromManyThreads, sizeLimit, badOffset

  func run(on store: any ObjectStore) throws {
    switch self {
    case .putThenLoad: try checkPutThenLoad(store)
    case .ranges: try checkRanges(store)
    case .behindTheEnd: try checkBehindTheEnd(store)
    case .emptyObject: try checkEmptyObject(store)
    case .largeObject: try checkLargeObject(store)
    case .bodiesInPieces: try checkBodiesInPieces(store)
    case .missing: try checkMissing(store)
    case .listing: try checkListing(store)
    case .listingOrder: try checkListingOrder(store)
    case .listingGoesOn: try checkListingGoesOn(store)
    case .visitorEnds: try checkVisitorEnds(store)
    case .deletion: try checkDeletion(store)
    case .overwrite: try checkOverwrite(store)
    case .oddKeys: try checkOddKeys(store)
    case .manyThreads: try checkManyThreads(store)
    case .oneKeyFromManyThreads: try checkOneKeyFromManyThreads(store)
    case .sizeLimit: try checkSizeLimit(store)
    case .badOffset: try checkBadOffset(store)
    }
  }
}

// MARK: Content

private func checkPutThenLoad(_ store: any ObjectStore) throws {
  let before = WallTime.now()
  try store.put(key("config"), Array("content".utf8))
  #expect(try store.load(key("config"), sizeBytesMax: 7) == Array("content".utf8))
  let info = try store.stat(key("config"))
  #expect(info.sizeBytes == 7)
  let modified = try #require(info.modified)
  #expect(abs(modified.seconds - before.seconds) < 3600)
}

private func checkRanges(_ store: any ObjectStore) throws {
  var random = SeededGenerator(seed: 11)
  let content = random.bytes(10_000)
  try store.put(key("data/aa/pack"), content)
  for _ in 0..<100 {
    let offset = random.below(content.count)
    let count = random.below(content.count - offset + 1)
    let read = try bytes(of: store, "data/aa/pack", at: offset, count)
    #expect(read == Array(content[offset..<(offset + count)]))
  }
}

private func checkBehindTheEnd(_ store: any ObjectStore) throws {
  try store.put(key("a"), [1, 2, 3])
  #expect(try bytes(of: store, "a", at: 1, 100) == [2, 3])
  #expect(try bytes(of: store, "a", at: 3, 100) == [])
  #expect(try bytes(of: store, "a", at: 4, 1) == [])
  #expect(try bytes(of: store, "a", at: Int(Int64.max - 5), 10) == [])
  #expect(try bytes(of: store, "a", at: 0, 0) == [])
}

private func checkEmptyObject(_ store: any ObjectStore) throws {
  try store.put(key("locks/empty"), [])
  #expect(try store.stat(key("locks/empty")).sizeBytes == 0)
  #expect(try store.load(key("locks/empty"), sizeBytesMax: 0) == [])
  #expect(try bytes(of: store, "locks/empty", at: 0, 5) == [])
  #expect(try keys(in: store) == ["locks/empty"])
}

private func checkLargeObject(_ store: any ObjectStore) throws {
  var random = SeededGenerator(seed: 12)
  let content = random.bytes(20 << 20)
  try store.put(key("data/bb/large"), content)
  let read = try store.load(key("data/bb/large"), sizeBytesMax: content.count)
  #expect(read == content)
  #expect(
    try bytes(of: store, "data/bb/large", at: 19 << 20, 2 << 20) == Array(content[(19 << 20)...]))
}

private func checkBodiesInPieces(_ store: any ObjectStore) throws {
  var random = SeededGenerator(seed: 13)
  let content = random.bytes(3 << 20)
  let memory = HeldMemory(content)
  let cuts = [0, 0, 1, 700_000, 700_000, 2 << 20, content.count]
  let pieces = zip(cuts, cuts.dropFirst()).map { memory.range($0..<$1) }
  try store.put(key("memory"), ObjectBody(memory: pieces, owner: memory))
  #expect(try store.load(key("memory"), sizeBytesMax: content.count) == content)

  try store.put(key("source"), ObjectBody(ArraySource(content, stepByteCount: 65_537)))
  #expect(try store.load(key("source"), sizeBytesMax: content.count) == content)

  // A source that is shorter than it said leaves no object.
  let short = ArraySource(content, stepByteCount: 100_000, claimed: content.count + 1)
  expectError(.failed) { try store.put(key("short"), ObjectBody(short)) }
  #expect(try keys(in: store) == ["memory", "source"])
}

private func checkOverwrite(_ store: any ObjectStore) throws {
  try store.put(key("config"), Array("the first, which is longer".utf8))
  let first = try store.stat(key("config"))
  try store.put(key("config"), Array("the second".utf8))
  #expect(try store.load(key("config"), sizeBytesMax: 100) == Array("the second".utf8))
  #expect(try keys(in: store) == ["config"])
  if let etag = first.etag { #expect(try store.stat(key("config")).etag != etag) }
}

private func checkSizeLimit(_ store: any ObjectStore) throws {
  try store.put(key("index/a"), [UInt8](repeating: 7, count: 1000))
  #expect(try store.load(key("index/a"), sizeBytesMax: 1000).count == 1000)
  expectError(.corrupt) { _ = try store.load(key("index/a"), sizeBytesMax: 999) }
}

private func checkBadOffset(_ store: any ObjectStore) throws {
  try store.put(key("a"), [1])
  expectError(.usage) { _ = try bytes(of: store, "a", at: -1, 1) }
}

// MARK: What is not there

private func checkMissing(_ store: any ObjectStore) throws {
  try store.put(key("data/aa/there"), [1])
  for name in ["config", "data/aa/other", "data/bb/there", "data", "data/aa", "data/aa/there/x"] {
    expectError(.notFound) { _ = try store.stat(key(name)) }
    expectError(.notFound) { _ = try bytes(of: store, name, at: 0, 1) }
    expectError(.notFound) { _ = try bytes(of: store, name, at: 0, 0) }
    expectError(.notFound) { _ = try store.load(key(name), sizeBytesMax: 10) }
  }
}

private func checkDeletion(_ store: any ObjectStore) throws {
  try store.put(key("data/aa/one"), [1])
  try store.put(key("data/aa/two"), [2])
  try store.delete(key("data/aa/one"))
  #expect(try keys(in: store) == ["data/aa/two"])
  expectError(.notFound) { _ = try store.stat(key("data/aa/one")) }
  for name in ["data/aa/one", "data/zz/none", "none", "data", "data/aa", "data/aa/two/x"] {
    try store.delete(key(name))
  }
  try store.synchronize()
  #expect(try keys(in: store) == ["data/aa/two"])
  try store.put(key("data/aa/one"), [3])
  #expect(try store.load(key("data/aa/one"), sizeBytesMax: 1) == [3])
}

// MARK: Listings

private func checkListing(_ store: any ObjectStore) throws {
  #expect(try keys(in: store) == [])
  #expect(try keys(in: store, "data/") == [])
  let names = ["config", "data/00/0a", "data/00/0b", "data/01/0c", "data/x/y/z/deep", "keys/k"]
  for (size, name) in names.enumerated() {
    try store.put(key(name), [UInt8](repeating: 1, count: size))
  }
  #expect(try keys(in: store) == names)
  #expect(try keys(in: store, "data/") == Array(names[1...4]))
  #expect(try keys(in: store, "data/0") == Array(names[1...3]))
  #expect(try keys(in: store, "data/00/0b") == [names[2]])
  #expect(try keys(in: store, "dat") == Array(names[1...4]))
  #expect(try keys(in: store, "c") == ["config"])
  #expect(try keys(in: store, "config/") == [])
  #expect(try keys(in: store, "locks/") == [])
  #expect(try keys(in: store, "data/02/") == [])
  var sizes: [Int64] = []
  try store.list(.all) { (_, info) throws(ObjectStoreError) in sizes.append(info.sizeBytes) }
  #expect(sizes == [0, 1, 2, 3, 4, 5])
}

/// A name beside a folder of the same start: the slash sorts between `.` and `0`.
private func checkListingOrder(_ store: any ObjectStore) throws {
  let names = ["a!b", "a-", "a.txt", "a/b", "a/c/d", "a0", "aB", "ab", "b", "é", "\u{1F600}"]
  for name in names.reversed() { try store.put(key(name), [1]) }
  #expect(try keys(in: store) == names)
}

private func checkListingGoesOn(_ store: any ObjectStore) throws {
  let names = ["a", "d-", "d/1", "d/2/x", "d/2/y", "d/3", "d0", "e"]
  for name in names { try store.put(key(name), [1]) }
  for (position, name) in names.enumerated() {
    #expect(try keys(in: store, after: name) == Array(names[(position + 1)...]))
  }
  #expect(try keys(in: store, after: "d") == Array(names[1...]))
  #expect(try keys(in: store, after: "d/2") == Array(names[3...]))
  #expect(try keys(in: store, "d/", after: "d/2/x") == ["d/2/y", "d/3"])
  #expect(try keys(in: store, "d/", after: "e") == [])
}

private func checkVisitorEnds(_ store: any ObjectStore) throws {
  for name in ["a", "b", "c"] { try store.put(key(name), [1]) }
  var seen: [String] = []
  // Also an error that a store's own would be tried again for.
  let own = ObjectStoreError.injected(.list, key: "mine", number: 77, kind: .unreachable)
  do {
    try store.list(.all) { (key, _) throws(ObjectStoreError) in
      seen.append(key.text)
      if key.text == "b" { throw own }
    }
    Issue.record("the visitor's error was lost")
  } catch {
    #expect(error.message == own.message)
  }
  #expect(seen == ["a", "b"])
}

private func checkOddKeys(_ store: any ObjectStore) throws {
  let names = [
    " leading and trailing ", "%2e%2e/%00", "-rf", "...", ".hidden/..x", "a b/c\nd", "a\\b",
    "data/ü", "data/u\u{308}", "q\"'`$;&|<>*?[]{}", "tmp-1", "x-tmp-", "x-tmp-1a",
    String(repeating: "n", count: 255), (0..<204).map { _ in "deep" }.joined(separator: "/"),
    "\u{1}\u{7f}", "\u{FEFF}",
  ]
  for (position, name) in names.enumerated() { try store.put(key(name), [UInt8(position)]) }
  for (position, name) in names.enumerated() {
    #expect(try store.load(key(name), sizeBytesMax: 10) == [UInt8(position)])
  }
  let sorted = try names.map { try key($0) }.sorted().map(\.text.utf8).map(Array.init)
  #expect(try keys(in: store).map { Array($0.utf8) } == sorted)
  for name in names { try store.delete(key(name)) }
  #expect(try keys(in: store) == [])
}

// MARK: Threads

private func checkManyThreads(_ store: any ObjectStore) throws {
  let threads = (0..<8).map { number in
    Thread("store-\(number)") {
      var random = SeededGenerator(seed: UInt64(100 + number))
      for round in 0..<25 {
        let name = "data/\(round % 5)/\(number)-\(round)"
        let content = random.bytes(random.below(5000))
        try store.put(key(name), content)
        #expect(try store.load(key(name), sizeBytesMax: 5000) == content)
        if round.isMultiple(of: 3) { try store.delete(key(name)) }
        if round.isMultiple(of: 8) { _ = try keys(in: store, "data/") }
      }
    }
  }
  for thread in threads { try thread.join() }
  #expect(try keys(in: store).count == 8 * 16)
}

/// A reader sees one whole content or the other, never a mixture.
private func checkOneKeyFromManyThreads(_ store: any ObjectStore) throws {
  try store.put(key("config"), [UInt8](repeating: 0, count: 200_000))
  let threads = (0..<8).map { number in
    Thread("store-\(number)") {
      for _ in 0..<10 {
        if number < 4 {
          try store.put(key("config"), [UInt8](repeating: UInt8(number), count: 200_000))
        } else {
          let content = try store.load(key("config"), sizeBytesMax: 200_000)
          #expect(content == [UInt8](repeating: content.first ?? 9, count: 200_000))
        }
      }
    }
  }
  for thread in threads { try thread.join() }
  #expect(try keys(in: store) == ["config"])
}
