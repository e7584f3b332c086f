import Manifests
package import Platform

/// What Drover keeps of an object beside the user's file: identity, status, what was asked for.
package struct OwnRecord: Sendable, Equatable {
  package var uid: String
  package var created: WallTime
  package var generation: Int64 = 1
  /// Tells a changed spec.
  package var specDigest: String
  package var status = JSONObject()
  /// Annotations that Drover sets: they win over those of the user's file.
  package var annotations = JSONObject()
  /// A run that was asked for beside the spec's trigger, until one that started later has ended.
  package var requestedRun: String?
  /// The request that the run under way serves.
  package var startedRequest: String?
  /// When a person has let the next run pass the guards, until one has that counts.
  package var release: String?

  package init(uid: String, created: WallTime, specDigest: String) {
    self.uid = uid
    self.created = created
    self.specDigest = specDigest
  }

  /// A fresh one with a random UID (RFC 4122, version 4).
  static func fresh(specDigest: String, at now: WallTime) -> OwnRecord {
    var bytes = SecureRandom.bytes(16)
    bytes[6] = bytes[6] & 0x0f | 0x40
    bytes[8] = bytes[8] & 0x3f | 0x80
    let text = hex(bytes)
    var uid = ""
    for (index, character) in text.enumerated() {
      if [8, 12, 16, 20].contains(index) { uid += "-" }
      uid.append(character)
    }
    return OwnRecord(uid: uid, created: now, specDigest: specDigest)
  }

  var document: JSONObject {
    var object: JSONObject = [
      "uid": .string(uid), "creationTimestamp": .string(created.rfc3339),
      "generation": .integer(generation), "specDigest": .string(specDigest),
    ]
    if let requestedRun { object["requestedRun"] = .string(requestedRun) }
    if let startedRequest { object["startedRequest"] = .string(startedRequest) }
    if let release { object["release"] = .string(release) }
    if !annotations.members.isEmpty { object["annotations"] = .object(annotations) }
    if !status.members.isEmpty { object["status"] = .object(status) }
    return object
  }

  /// Nil when what must be there is not.
  init?(_ document: JSONObject) {
    guard let uid = document["uid"]?.stringValue,
      let created = document["creationTimestamp"]?.stringValue.flatMap(WallTime.init(rfc3339:)),
      let generation = document["generation"]?.integerValue, generation > 0,
      let specDigest = document["specDigest"]?.stringValue
    else { return nil }
    self.init(uid: uid, created: created, specDigest: specDigest)
    self.generation = generation
    requestedRun = document["requestedRun"]?.stringValue
    startedRequest = document["startedRequest"]?.stringValue
    release = document["release"]?.stringValue
    annotations = document["annotations"]?.objectValue ?? JSONObject()
    status = document["status"]?.objectValue ?? JSONObject()
  }
}

extension JSONObject {
  /// A digest of all but metadata and status, whatever the order of names (FNV-1a).
  var specDigest: String {
    var spec = self
    spec["metadata"] = nil
    spec["status"] = nil
    let hash = JSONValue.object(spec).sorted.encoded().reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// The object as a user writes it: without status and without what a server adds.
  package var asWritten: JSONObject {
    var result = self
    result["status"] = nil
    guard var metadata = result["metadata"]?.objectValue else { return result }
    for name in JSONObject.serverFields { metadata[name] = nil }
    result["metadata"] = .object(metadata)
    return result
  }

  private static let serverFields = [
    "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink",
  ]

  /// The object as a server gives it.
  func merged(with own: OwnRecord) -> JSONObject {
    var result = asWritten
    var metadata = result["metadata"]?.objectValue ?? JSONObject()
    metadata["creationTimestamp"] = .string(own.created.rfc3339)
    metadata["generation"] = .integer(own.generation)
    metadata["uid"] = .string(own.uid)
    if !own.annotations.members.isEmpty {
      var annotations = metadata["annotations"]?.objectValue ?? JSONObject()
      for member in own.annotations.members { annotations[member.name] = member.value }
      metadata["annotations"] = .object(annotations)
    }
    result["metadata"] = .object(metadata)
    if !own.status.members.isEmpty { result["status"] = .object(own.status) }
    return result
  }
}

extension JSONValue {
  /// The same value with the names of all objects in order.
  var sorted: JSONValue {
    switch self {
    case .array(let items): return .array(items.map(\.sorted))
    case .object(let object):
      var result = JSONObject()
      for member in object.members.sorted(by: { $0.name < $1.name }) {
        result[member.name] = member.value.sorted
      }
      return .object(result)
    default: return self
    }
  }
}
