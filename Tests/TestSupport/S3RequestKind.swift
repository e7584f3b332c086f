/// What a request asks of an S3 server whose buckets are the first part of the path.
package enum S3RequestKind: String, Sendable, CaseIterable {
  case listBuckets, createBucket, headBucket, deleteBucket
  case list, deleteObjects, listUploads
  case putObject, copyObject, getObject, headObject, deleteObject
  case createUpload, uploadPart, copyPart, listParts, completeUpload, abortUpload
  /// Access lists, tags, locations and all else.
  case other

  /// `target` is the path with the query; `copies` when the request names a source to copy.
  init(method: String, target: String, copies: Bool) {
    let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let path = parts[0].drop { $0 == "/" }
    let names = Set(
      (parts.count > 1 ? parts[1] : "").split(separator: "&").map { part in
        String(part.prefix { $0 != "=" })
      })
    if path.isEmpty {
      self = method == "GET" ? .listBuckets : .other
    } else if let slash = path.firstIndex(of: "/"), path.index(after: slash) != path.endIndex {
      self = S3RequestKind.onObject(method, names, copies)
    } else {
      self = S3RequestKind.onBucket(method, names)
    }
  }

  private static func onBucket(_ method: String, _ names: Set<String>) -> S3RequestKind {
    let isPlain = names.isSubset(of: listingNames)
    switch method {
    case "PUT" where isPlain: return .createBucket
    case "HEAD": return .headBucket
    case "DELETE" where isPlain: return .deleteBucket
    case "GET" where isPlain: return .list
    case "GET" where names.contains("uploads"): return .listUploads
    case "POST" where names.contains("delete"): return .deleteObjects
    default: return .other
    }
  }

  private static func onObject(
    _ method: String, _ names: Set<String>, _ copies: Bool
  ) -> S3RequestKind {
    if names.contains("uploadId") {
      switch method {
      case "PUT": return copies ? .copyPart : .uploadPart
      case "GET": return .listParts
      case "POST": return .completeUpload
      case "DELETE": return .abortUpload
      default: return .other
      }
    }
    if !names.isDisjoint(with: ["acl", "tagging", "retention", "legal-hold", "attributes"]) {
      return .other
    }
    switch method {
    case "PUT": return copies ? .copyObject : .putObject
    case "GET": return .getObject
    case "HEAD": return .headObject
    case "DELETE": return .deleteObject
    case "POST" where names.contains("uploads"): return .createUpload
    default: return .other
    }
  }

  private static let listingNames: Set<String> = [
    "list-type", "prefix", "delimiter", "marker", "max-keys", "continuation-token", "start-after",
    "encoding-type", "fetch-owner", "x-id",
  ]
}
