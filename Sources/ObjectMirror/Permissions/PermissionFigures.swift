/// What is told while `permissions.facl` is written or applied.
package enum PermissionEvent: Sendable {
  /// Something that could not be read or applied.
  case problem(path: [UInt8], message: String)
  /// A device, a fifo, a socket: neither a bucket nor `permissions.facl` keeps it.
  case leftOut(path: [UInt8])
  /// `permissions.facl` has it, and the bucket has not. Of a list that `getfacl` has made it is not
  /// known whether the bucket could have had it.
  case missing(path: [UInt8], isFile: Bool)
  /// The bucket has it, and `permissions.facl` has not.
  case unlisted(path: [UInt8])
}

/// How many of each.
package struct PermissionFigures: Sendable, Equatable {
  /// Files, directories and links that the list has.
  package var entryCount: Int64 = 0
  package var changedCount: Int64 = 0
  package var madeCount: Int64 = 0
  package var removedCount: Int64 = 0
  package var leftOutCount: Int64 = 0
  /// Files that the list has and the volume has not.
  package var missingFileCount: Int64 = 0
  /// What else the list has and the volume has not.
  package var missingOtherCount: Int64 = 0
  package var unlistedCount: Int64 = 0
  package var problemCount: Int64 = 0
  /// Entries that could not be given to their owners, for lack of privilege or of the name.
  package var ownerProblemCount: Int64 = 0

  package init() {}
}
