import ObjectStorage
import Platform
import Remotes

/// What the listings of all sides of a run have in common.
struct ListingPlan {
  private let encoding: NameEncoding
  /// Whether a directory of one side stores links.
  private let storesLinks: Bool
  /// The one file that takes part, by its name and by its key.
  private let onlyPath: [UInt8]?
  private let onlyKey: [UInt8]?
  private let depthMax: Int?
  private let usesServerTimes: Bool

  /// - Throws: `.unserved` when the destinations name the same file differently.
  init(
    source: MirrorSide, destinations: [MirrorSide], _ options: MirrorOptions
  ) throws(MirrorError) {
    (depthMax, usesServerTimes) = (options.depthMax, options.usesServerTimes)
    let encodings = destinations.compactMap(\.encoding)
    if source.encoding == nil, let first = encodings.first,
      encodings.contains(where: { $0 != first })
    {
      throw .unserved("destinations with different encodings of names are not served at once")
    }
    encoding = source.encoding ?? encodings.first ?? .local
    storesLinks = ([source] + destinations).contains { side in
      if case .local(let local) = side { local.options.storesLinks } else { false }
    }
    onlyKey = source.only(encoding)
    switch source {
    case .local(let local): onlyPath = local.only
    case .store(let store):
      onlyPath = try onlyKey.map { (key) throws(MirrorError) in
        guard case .file(let path) = store.paths.read(store.paths.prefix + key) else {
          throw .unusable(name: key, .foreignEncoding)
        }
        return path
      }
    }
  }

  func options(
    filter: MirrorFilter?, isDestination: Bool, division: ListingDivision?
  ) -> SideListingOptions {
    SideListingOptions(
      filter: filter, depthMax: depthMax, usesServerTimes: usesServerTimes, encoding: encoding,
      storesLinks: storesLinks, isDestination: isDestination, onlyPath: onlyPath, onlyKey: onlyKey,
      division: division)
  }
}

/// The source's listing while a run reads it. Confined to one thread.
final class SourceListing {
  private let source: MirrorSide
  private let stream: EntryStream
  private let isFiltered: Bool
  private var entryCount: Int64 = 0

  /// `remark` is called on the listing's thread.
  init(
    _ source: MirrorSide, _ plan: ListingPlan, filter: MirrorFilter?,
    division: ListingDivision? = nil, remark: @escaping @Sendable (ListingRemark) -> Void
  ) {
    self.source = source
    isFiltered = filter != nil
    stream = source.entries(
      plan.options(filter: filter, isDestination: false, division: division), remark: remark)
  }

  /// - Throws: ``MirrorError/noSource(_:)``, and what ended the listing.
  func nextBatch() throws(MirrorError) -> [MirrorEntry]? {
    let batch: [MirrorEntry]?
    do throws(MirrorError) {
      batch = try stream.nextBatch()
    } catch {
      guard error.isMissingBucket else { throw error }
      throw .noSource(source.description)
    }
    if let batch {
      entryCount += Int64(batch.count)
      return batch
    }
    // A store has no directories, so one without objects is one that is not there.
    if case .store(let store) = source, entryCount == 0, !isFiltered, !store.paths.prefix.isEmpty {
      throw .noSource(source.description)
    }
    return nil
  }

  func next() throws(MirrorError) -> MirrorEntry? {
    if place == batch.count {
      guard let batch = try nextBatch() else { return nil }
      (self.batch, place) = (batch, 0)
    }
    place += 1
    return batch[place - 1]
  }

  private var batch: [MirrorEntry] = []
  private var place = 0

  func stop() { stream.stop() }
}

/// A destination's listing while a run reads it. Confined to one thread.
final class DestinationListing {
  private let destination: MirrorSide
  private let stream: EntryStream

  /// `failed` is called on the listing's thread.
  init(
    _ destination: MirrorSide, _ plan: ListingPlan, filter: MirrorFilter?,
    division: ListingDivision? = nil, failed: @escaping @Sendable (MirrorError) -> Void
  ) {
    self.destination = destination
    stream = destination.entries(
      plan.options(filter: filter, isDestination: true, division: division),
      remark: { remark in
        // What is not known of the destination may be written, but nothing is deleted then.
        if case .failed(let error) = remark { failed(error) }
      })
  }

  /// A bucket that is not there yet is empty.
  func next() throws(MirrorError) -> MirrorEntry? {
    do throws(MirrorError) {
      return try stream.next()
    } catch {
      guard error.isMissingBucket, case .store(let store) = destination else { throw error }
      store.bucketIsMissing()
      return nil
    }
  }

  func stop() { stream.stop() }
}

extension MirrorError {
  /// Whether a listing has failed because there is no such bucket.
  fileprivate var isMissingBucket: Bool {
    guard case .store(let failure) = self else { return false }
    return failure.failure?.code == "NoSuchBucket"
      || failure.isNotFound && failure.failure?.status == 404
  }
}
