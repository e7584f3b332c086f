import ObjectStorage
package import Platform
import Remotes

/// One side alone, for listings that people read.
package struct SideContents: Sendable {
  private let side: MirrorSide
  private let filter: MirrorFilter?
  /// Elements of a path, at most; nil without a limit.
  package var depthMax: Int?
  /// Ages are those of objects, not of files.
  package var usesServerTimes = false
  private let remark: @Sendable (ListingRemark) -> Void

  package init(
    _ side: MirrorSide, filter: MirrorFilter?,
    remark: @escaping @Sendable (ListingRemark) -> Void
  ) {
    self.side = side
    self.filter = filter
    self.remark = remark
  }

  /// Visits all entries in order, until `visit` gives false.
  /// - Throws: ``MirrorError/noSource(_:)`` for a bucket, or a prefix, that is not there.
  package func forEach(_ visit: (MirrorEntry) -> Bool) throws(MirrorError) {
    let options = SideListingOptions(
      filter: filter, depthMax: depthMax, usesServerTimes: usesServerTimes,
      encoding: side.encoding ?? .local, storesLinks: false,
      isDestination: false)
    let stream = side.entries(options, remark: remark)
    defer { stream.stop() }
    var isEmpty = true
    do throws(MirrorError) {
      while let entry = try stream.next() {
        isEmpty = false
        if !visit(entry) { return }
      }
    } catch {
      guard case .store(let failure) = error, failure.isNotFound else { throw error }
      throw .noSource(side.description)
    }
    if isEmpty, filter == nil, case .store(let store) = side, !store.paths.prefix.isEmpty {
      throw .noSource(side.description)
    }
  }

  /// The time of a file, which costs a request for an object.
  package func modified(_ entry: MirrorEntry) throws(MirrorError) -> WallTime? {
    guard case .store(let store) = side, !entry.isDirectory else { return entry.modified }
    let key = try store.key(of: entry)
    return try store.calling { (client) throws(S3Error) in
      store.facts(try client.headObject(store.bucket, key)).modified
    }
  }
}
