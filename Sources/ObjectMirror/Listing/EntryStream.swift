package import FileTree
package import ObjectStorage
import Pipelines
import Platform
package import Remotes

/// A listing on a thread of its own, which reads ahead by a bounded number of entries.
package final class EntryStream: @unchecked Sendable {
  /// Entries that pass together.
  private static let batchCountMax = 256
  /// Bytes of entries read ahead.
  private static let weightMax = 8 << 20
  private static let batchesAheadMax = 64

  /// Takes one entry after the other; throws when nobody wants more.
  typealias Emit = (MirrorEntry) throws(ChannelClosed) -> Void

  private let channel: BoundedChannel<[MirrorEntry]>
  private let thread: Thread<MirrorError?>
  // Of the thread that reads.
  private var batch: [MirrorEntry] = []
  private var place = 0
  private var isJoined = false

  /// `list` runs on the stream's thread, to its end or until `emit` throws; it gives the failure
  /// that ended it.
  init(_ list: @escaping @Sendable (Emit) -> MirrorError?) {
    let channel = BoundedChannel<[MirrorEntry]>(
      countMax: EntryStream.batchesAheadMax, weightMax: EntryStream.weightMax)
    self.channel = channel
    thread = Thread("mirror-list") {
      defer { channel.close() }
      var batch: [MirrorEntry] = []
      var weight = 0
      let failure = list { (entry) throws(ChannelClosed) in
        batch.append(entry)
        weight += entry.weight
        guard batch.count == EntryStream.batchCountMax else { return }
        try channel.send(batch, weight: weight)
        (batch, weight) = ([], 0)
      }
      if failure == nil, !batch.isEmpty {
        // When nobody reads any more, nobody misses it.
        try? channel.send(batch, weight: weight)
      }
      return failure
    }
  }

  /// Blocks until the next entry; nil at the end.
  /// - Throws: what ended the listing, in place of its end.
  package func next() throws(MirrorError) -> MirrorEntry? {
    while place == batch.count {
      let received: [MirrorEntry]?
      do throws(ChannelClosed) { received = try channel.receive() } catch { throw .cancelled }
      guard let received else {
        if let failure = join() { throw failure }
        return nil
      }
      (batch, place) = (received, 0)
    }
    place += 1
    return batch[place - 1]
  }

  /// As ``next()``, with all that came together: at least one entry. Not to be mixed with it.
  func nextBatch() throws(MirrorError) -> [MirrorEntry]? {
    guard let first = try next() else { return nil }
    defer { place = batch.count }
    return place == 1 ? batch : [first] + batch[place...]
  }

  /// Ends the listing early and waits for its thread.
  package func stop() {
    channel.fail()
    _ = join()
  }

  private func join() -> MirrorError? {
    guard !isJoined else { return nil }
    isJoined = true
    // The thread's body throws nothing.
    return try? thread.join()
  }
}

extension EntryStream {
  /// A directory tree, or the one file `only` of it. `remark` is called on the stream's thread.
  package convenience init(
    root: TreeRoot, options: LocalListingOptions, only: [UInt8]? = nil,
    remark: @escaping @Sendable (ListingRemark) -> Void
  ) {
    self.init { emit in
      let listing = LocalListing(root: root, options: options, remark: remark)
      do throws(MirrorError) {
        if let only {
          guard let entry = try listing.single(only) else { return nil }
          do throws(ChannelClosed) { try emit(entry) } catch { return nil }
          return nil
        }
        while let entry = try listing.next() {
          do throws(ChannelClosed) { try emit(entry) } catch { return nil }
        }
        return nil
      } catch {
        return error
      }
    }
  }

  /// The objects below a prefix, or the one of the key `only` below it. `remark` is called on the
  /// stream's thread.
  package convenience init(
    client: S3Client, bucket: String, paths: KeyPaths, options: StoreListingOptions,
    only: [UInt8]? = nil, division: ListingDivision? = nil,
    remark: @escaping @Sendable (ListingRemark) -> Void
  ) {
    self.init { emit in
      var listing = StoreListing(paths: paths, options: options, remark: remark)
      var isUnwanted = false
      do throws(S3Error) {
        let wanted = only.map { paths.prefix + $0 }
        let prefix = String(decoding: wanted ?? paths.prefix, as: UTF8.self)
        let marks = (only == nil ? division?.marks ?? [] : []).compactMap {
          String(validating: paths.prefix + $0, as: UTF8.self)
        }
        try client.list(
          bucket, prefix: prefix, marks: marks, concurrency: division?.concurrency ?? 1
        ) { (object) throws(S3Error) in
          if let wanted, object.key != wanted {
            // Keys come in order, and the one that is wanted is the first.
            isUnwanted = true
            throw .cancelled
          }
          do throws(ChannelClosed) {
            try listing.take(object, emit: emit)
          } catch {
            isUnwanted = true
            throw .cancelled
          }
        }
        return nil
      } catch {
        return isUnwanted ? nil : .store(error)
      }
    }
  }
}
