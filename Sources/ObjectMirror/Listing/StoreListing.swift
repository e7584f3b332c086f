package import ObjectStorage
package import Platform
package import Remotes

/// What a listing of a bucket holds.
package struct StoreListingOptions: Sendable {
  /// Which objects; nil for all.
  package var filter: MirrorFilter?
  /// Elements of a path, at most; nil without a limit.
  package var depthMax: Int?
  /// The time of an object's file, asked for when an age decides; nil when nobody knows. Without
  /// it ages are those of the objects.
  package var modified: (@Sendable (S3Entry) -> WallTime?)?
  /// Whether an object is there, by its whole key; asked for files that keep directories out.
  package var isThere: (@Sendable ([UInt8]) -> Bool)?
  /// Objects whose keys end in ``MirrorEntry/linkSuffix`` are links.
  package var storesLinks = false

  package init() {}
}

/// Makes a tree of the flat listing of a bucket: directories, which keys only imply, come before
/// what they hold, in one order with the files.
///
/// Holds the path of the directory that the listing is in, nothing else. Whatever a key holds, the
/// paths stay below the root; a key that has no path is told and left out.
package struct StoreListing {
  private let paths: KeyPaths
  private let options: StoreListingOptions
  private let remark: (ListingRemark) -> Void
  /// The directory that was told last, with a slash at its end.
  private var directory: [UInt8] = []
  /// A directory that the filter leaves out with all below it.
  private var excluded: [UInt8]?

  package init(
    paths: KeyPaths, options: StoreListingOptions, remark: @escaping (ListingRemark) -> Void
  ) {
    self.paths = paths
    self.options = options
    self.remark = remark
    if isKeptOut([]) { excluded = [] }
  }

  /// Whether a file keeps a directory, named by its key, out.
  private func isKeptOut(_ directory: [UInt8]) -> Bool {
    guard let filter = options.filter, let isThere = options.isThere else { return false }
    return filter.markerNames.contains { isThere(paths.prefix + directory + Array($0.utf8)) }
  }

  /// Takes the next object of the listing, and gives the entries that it makes to `emit`.
  package mutating func take<Failure: Error>(
    _ object: S3Entry, emit: (MirrorEntry) throws(Failure) -> Void
  ) throws(Failure) {
    let key = Array(object.key.dropFirst(paths.prefix.count))
    if let excluded {
      if key.starts(with: excluded) { return }
      self.excluded = nil
    }
    switch paths.read(object.key) {
    case .unusable(let problem):
      remark(.passedOver(name: object.key, reason: problem.description))
    case .directory(let path):
      guard object.sizeBytes == 0 else {
        remark(.passedOver(name: object.key, reason: "it ends in a slash and has content"))
        return
      }
      if !path.isEmpty { _ = try enter(key, path, emit) }
    case .file(let path):
      guard try enter(key, path, emit) else { return }
      try tell(object, key, path, to: emit)
    }
  }

  private func tell<Failure: Error>(
    _ object: S3Entry, _ key: [UInt8], _ path: [UInt8],
    to emit: (MirrorEntry) throws(Failure) -> Void
  ) throws(Failure) {
    if let depthMax = options.depthMax, path.count(where: { $0 == 0x2f }) >= depthMax { return }
    if let filter = options.filter {
      let isIncluded = path.withUnsafeBufferPointer { path in
        filter.includes(file: path, sizeBytes: object.sizeBytes) {
          options.modified.map { $0(object) } ?? object.modified
        }
      }
      guard isIncluded else { return }
    }
    var (kind, path) = (MirrorEntry.Kind.file, path)
    if options.storesLinks, let link = StoreListing.link(path) { (kind, path) = (.link, link) }
    try emit(
      MirrorEntry(
        kind, path: path, key: key, sizeBytes: object.sizeBytes, modified: object.modified,
        etag: object.etag))
  }

  /// The path of the link that a path with the mark behind it stands for.
  private static func link(_ path: [UInt8]) -> [UInt8]? {
    let suffix = MirrorEntry.linkSuffix
    guard path.count > suffix.count, path.suffix(suffix.count) == suffix[...] else { return nil }
    let link = path.dropLast(suffix.count)
    return link.last == 0x2f ? nil : Array(link)
  }

  /// Tells the directories on the way to a key that were not told before; false when one of them
  /// takes no part.
  private mutating func enter<Failure: Error>(
    _ key: [UInt8], _ path: [UInt8], _ emit: (MirrorEntry) throws(Failure) -> Void
  ) throws(Failure) -> Bool {
    var known = 0
    for index in 0..<min(directory.count, key.count) {
      guard directory[index] == key[index] else { break }
      if key[index] == 0x2f { known = index + 1 }
    }
    directory.removeLast(directory.count - known)
    // Key and path have the same elements, of which some are written differently.
    var depth = directory.count(where: { $0 == 0x2f })
    while let slash = key[directory.count...].firstIndex(of: 0x2f) {
      directory = Array(key[...slash])
      depth += 1
      let parent = StoreListing.prefix(of: path, elementCount: depth)
      if let depthMax = options.depthMax, depth > depthMax { continue }
      if let filter = options.filter,
        !parent.withUnsafeBufferPointer({ filter.includes(directory: $0) })
          || isKeptOut(directory)
      {
        excluded = directory
        return false
      }
      try emit(MirrorEntry(.directory, path: parent, key: directory))
    }
    return true
  }

  private static func prefix(of path: [UInt8], elementCount: Int) -> [UInt8] {
    var left = elementCount
    for (index, byte) in path.enumerated() where byte == 0x2f {
      left -= 1
      if left == 0 { return Array(path[..<index]) }
    }
    return path
  }
}
