import ObjectStorage
import Platform
import Remotes

/// One end of a mirror.
package enum MirrorSide: Sendable {
  case local(LocalSide)
  case store(StoreSide)

  /// For people; holds no secret.
  package var description: String {
    switch self {
    case .local(let side): side.path
    case .store(let side): side.description
    }
  }

  /// What its connections carry; one of its own for a directory, which is told of what its
  /// destination does.
  var activity: Activity {
    if case .store(let side) = self { side.activity } else { Activity() }
  }

  /// How names become keys; nil for a side that takes over that of the other.
  var encoding: NameEncoding? {
    if case .store(let side) = self { side.encoding } else { nil }
  }

  /// The one file of a source, by its key; nil when all files take part.
  func only(_ encoding: NameEncoding) -> [UInt8]? {
    switch self {
    case .local(let side):
      guard let name = side.only else { return nil }
      var key: [UInt8] = []
      name.withUnsafeBufferPointer { encoding.append($0, to: &key) }
      return key
    case .store(let side): return side.only
    }
  }

  /// Whether one file alone takes part.
  package var isSingleFile: Bool { only(.local) != nil }

  /// Whether one of two sides lies within the other, or both are one.
  func overlaps(_ other: MirrorSide) -> Bool {
    switch (self, other) {
    case (.local(let a), .local(let b)): return a.overlaps(b)
    case (.store(let a), .store(let b)): return a.overlaps(b)
    default: return false
    }
  }

  /// The listing of the side, on a thread of its own.
  func entries(
    _ options: SideListingOptions, remark: @escaping @Sendable (ListingRemark) -> Void
  ) -> EntryStream {
    switch self {
    case .local(let side) where side.isAbsent:
      return EntryStream { _ in nil }
    case .local(let side):
      var local = LocalListingOptions()
      local.filter = options.filter
      local.depthMax = options.depthMax
      local.staysOnFileSystem = side.options.staysOnFileSystem
      local.storesLinks = side.options.storesLinks
      local.skipsLinksSilently = side.options.skipsLinksSilently || options.isDestination
      local.encoding = options.encoding
      local.listsLeftovers = options.isDestination
      let names = side.staging
      local.isOwn = { names.owns($0) }
      return EntryStream(root: side.root, options: local, only: options.onlyPath, remark: remark)
    case .store(let side):
      var store = StoreListingOptions()
      store.filter = options.filter
      store.depthMax = options.depthMax
      if let filter = options.filter {
        if filter.hasAges, !options.usesServerTimes {
          store.modified = { side.modified(of: $0, remark) }
        }
        if filter.hasMarkers { store.isThere = { side.isThere($0, remark) } }
      }
      store.storesLinks = options.storesLinks
      return EntryStream(
        client: side.client, bucket: side.bucket, paths: side.paths, options: store,
        only: options.onlyKey, division: options.division, remark: remark)
    }
  }
}

/// What both listings of a run have in common.
struct SideListingOptions {
  var filter: MirrorFilter?
  var depthMax: Int?
  /// Ages are those of objects, not of files.
  var usesServerTimes = false
  var encoding: NameEncoding
  /// Whether a directory on either side stores links.
  var storesLinks: Bool
  var isDestination: Bool
  /// The one file that takes part, by its name and by its key.
  var onlyPath: [UInt8]?
  var onlyKey: [UInt8]?
  var division: ListingDivision?
}

/// How a store's listing is read by ranges at once.
package struct ListingDivision: Sendable {
  /// Keys below the prefix, in order, between which it is divided; hints.
  var marks: [[UInt8]]
  var concurrency: Int

  package init(marks: [[UInt8]], concurrency: Int) {
    (self.marks, self.concurrency) = (marks, concurrency)
  }
}

extension StoreSide {
  /// The time of an object's file, which costs a request; nil when the object is gone. A failure
  /// is told, and the file takes no part.
  fileprivate func modified(
    of object: S3Entry, _ remark: (ListingRemark) -> Void
  ) -> WallTime? {
    guard let key = object.keyText else { return object.modified }
    return head(key, remark).flatMap { facts($0).modified }
  }

  fileprivate func isThere(_ key: [UInt8], _ remark: (ListingRemark) -> Void) -> Bool {
    guard let key = String(validating: key, as: UTF8.self) else { return false }
    return head(key, remark) != nil
  }

  private func head(_ key: String, _ remark: (ListingRemark) -> Void) -> S3ObjectHead? {
    do throws(MirrorError) {
      return try calling { (client) throws(S3Error) in try client.headObject(bucket, key) }
    } catch {
      if case .store(let failure) = error, failure.isNotFound { return nil }
      remark(.failed(error))
      return nil
    }
  }
}
