import ObjectStorage
import Platform
import Remotes

/// Finds files of the source that the destination has under other names (`--track-renames`), and
/// moves them there in place of sending them. Confined to the thread that compares.
///
/// Files that only one side has are held in memory until both listings have ended.
final class RenameTracking {
  private let lane: DestinationLane
  private var sources: [NumberedEntry] = []
  private var extras: [MirrorEntry] = []

  init(_ lane: DestinationLane) { self.lane = lane }

  private var isOn: Bool { lane.options.tracksRenames && lane.options.deletes }

  /// Holds a file that only the source has; false when it is to be sent at once.
  func takeSource(_ item: NumberedEntry) -> Bool {
    guard isOn, item.entry.kind == .file else { return false }
    sources.append(item)
    return true
  }

  /// Holds what only the destination has; false when it is none of its business.
  func takeExtra(_ entry: MirrorEntry) -> Bool {
    guard isOn else { return false }
    extras.append(entry)
    return true
  }

  /// Moves what has moved and tells that; hands out the rest to be sent and to be deleted.
  func finish(
    send: (NumberedEntry) throws(MirrorError) -> Void, moved tell: (NumberedEntry) -> Void,
    delete: (MirrorEntry) throws(MirrorError) -> Void
  ) throws(MirrorError) {
    guard isOn else { return }
    var ofSize: [Int64: [Int]] = [:]
    for (index, extra) in extras.enumerated() where extra.kind == .file {
      ofSize[extra.sizeBytes, default: []].append(index)
    }
    var sums: [Int: [UInt8]] = [:]
    var moved: Set<Int> = []
    for item in sources {
      let entry = item.entry
      if lane.isCancelled() { throw .cancelled }
      // Nothing is known of an empty file but its name.
      let candidates = entry.sizeBytes == 0 ? [] : (ofSize[entry.sizeBytes] ?? [])
      let left = candidates.filter { !moved.contains($0) }
      guard let found = match(entry, left, &sums), move(extras[found], to: entry) else {
        try send(item)
        continue
      }
      moved.insert(found)
      tell(item)
    }
    for (index, extra) in extras.enumerated() where !moved.contains(index) { try delete(extra) }
    (sources, extras) = ([], [])
  }

  /// The first one of the same MD5; nil also when a sum cannot be had.
  private func match(
    _ entry: MirrorEntry, _ candidates: [Int], _ sums: inout [Int: [UInt8]]
  ) -> Int? {
    guard !candidates.isEmpty else { return nil }
    do throws(MirrorError) {
      guard let wanted = try lane.source.md5(of: entry) else { return nil }
      for index in candidates {
        var sum = sums[index]
        if sum == nil {
          sum = try lane.destination.md5(of: extras[index])
          sums[index] = sum ?? []
        }
        if sum == wanted { return index }
      }
    } catch {
      // What cannot be compared is sent; a failure comes again there.
      return nil
    }
    return nil
  }

  /// False when it has to be sent after all.
  private func move(_ extra: MirrorEntry, to entry: MirrorEntry) -> Bool {
    do throws(MirrorError) {
      if !lane.options.isDryRun {
        var target = entry
        target.kind = .file
        let time = try lane.source.modified(of: entry)
        switch lane.destination {
        case .local(let local):
          try local.move(extra.path, to: entry.path, of: local)
          if let time, !local.options.leavesTimesAlone { try local.setTime(entry.path, time) }
        case .store(let store):
          try store.move(extra, to: target, of: store, modified: time)
        }
      }
    } catch {
      lane.observe(
        .passedOver(name: extra.path, reason: "it cannot be moved: \(error.description)"))
      return false
    }
    lane.statistics.change { $0.renamedCount += 1 }
    lane.observe(.renamed(from: extra.path, to: entry.path))
    return true
  }
}

extension MirrorSide {
  /// The MD5 of a file; nil when a store does not know it.
  func md5(of entry: MirrorEntry) throws(MirrorError) -> [UInt8]? {
    switch self {
    case .local(let local): return try local.digest(entry)
    case .store(let store):
      if let md5 = store.md5(ofETag: entry.etag) { return md5 }
      return store.facts(try store.head(of: entry)).md5
    }
  }

  /// The time of a file, which costs a request for an object.
  func modified(of entry: MirrorEntry) throws(MirrorError) -> WallTime? {
    guard case .store(let store) = self else { return entry.modified }
    return store.facts(try store.head(of: entry)).modified
  }
}

extension StoreSide {
  fileprivate func head(of entry: MirrorEntry) throws(MirrorError) -> S3ObjectHead {
    let key = try key(of: entry)
    return try calling { (client) throws(S3Error) in try client.headObject(bucket, key) }
  }
}
