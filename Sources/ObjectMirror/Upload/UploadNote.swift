import Cryptography
import Platform

/// Where an upload goes to.
struct UploadPlace: Sendable, Hashable {
  /// As ``StoreSide`` names it: scheme, host, port and path.
  var endpoint: String
  var bucket: String
  var key: String

  init(endpoint: String, bucket: String, key: String) {
    (self.endpoint, self.bucket, self.key) = (endpoint, bucket, key)
  }

  /// The name of its note: 64 hexadecimal digits. No part can run into the next one.
  var name: String {
    get throws(CryptographyError) {
      let text = [endpoint, bucket, key].map { "\($0.utf8.count):\($0)" }.joined()
      return hex(try MessageDigest.of(Array(text.utf8), .sha256))
    }
  }
}

/// What is known of an upload in parts that has not come to its end.
///
/// JSON of one line, then the SHA-256 of that line in hexadecimal digits and a line feed:
///
/// | member | meaning |
/// | --- | --- |
/// | `version` | 1 |
/// | `endpoint`, `bucket`, `key` | where it goes to |
/// | `root`, `path` | the source; bytes in hexadecimal digits |
/// | `device`, `inode`, `size`, `modified`, `changed` | the source's ``FileIdentity`` |
/// | `part_size` | bytes of each part but the last |
/// | `attributes` | digest of what the object gets besides its bytes |
/// | `md5` | of the whole, when it went along; hexadecimal digits |
/// | `begun` | seconds, by the service's clock as far as it is known |
/// | `others` | uploads of this key that were there before; absent when nobody could tell |
/// | `upload` | absent as long as the service has not told it |
/// | `doubtful` | whether the service may hold another one that this upload has begun |
struct UploadNote: Sendable, Equatable {
  /// A note of 1,000 foreign uploads of one key stays far below.
  static let sizeBytesMax = 1 << 20
  static let othersCountMax = 1000
  private static let version: Int64 = 1
  private static let digestCharacterCount = 64
  private static let uploadCharacterCountMax = 4096

  var place: UploadPlace
  var root: String
  var path: [UInt8]
  var source: FileIdentity
  var partSizeBytes: Int64
  var attributes: String
  var md5: [UInt8]?
  var begun: Int64
  var others: [String]?
  var upload: String?
  var isDoubtful = false

  init(
    place: UploadPlace, root: String, path: [UInt8], source: FileIdentity, partSizeBytes: Int64,
    attributes: String, md5: [UInt8]?, begun: Int64, others: [String]?
  ) {
    (self.place, self.root, self.path, self.source) = (place, root, path, source)
    (self.partSizeBytes, self.attributes, self.md5) = (partSizeBytes, attributes, md5)
    (self.begun, self.others) = (begun, others)
  }

  // MARK: Writing

  func encoded() throws(CryptographyError) -> [UInt8] {
    var object: JSONObject = [
      "version": .integer(UploadNote.version), "endpoint": .string(place.endpoint),
      "bucket": .string(place.bucket), "key": .string(place.key),
      "root": .string(hex(root.utf8)), "path": .string(hex(path)),
      "device": .integer(Int64(bitPattern: source.device)),
      "inode": .integer(Int64(bitPattern: source.inode)), "size": .integer(source.sizeBytes),
      "modified": UploadNote.value(of: source.modified),
      "changed": UploadNote.value(of: source.changed),
      "part_size": .integer(partSizeBytes), "attributes": .string(attributes),
      "begun": .integer(begun), "doubtful": .bool(isDoubtful),
    ]
    if let md5 { object["md5"] = .string(hex(md5)) }
    if let others { object["others"] = .array(others.map { .string($0) }) }
    if let upload { object["upload"] = .string(upload) }
    let line = JSONValue.object(object).encoded() + [0x0a]
    return line + Array(hex(try MessageDigest.of(line, .sha256)).utf8) + [0x0a]
  }

  private static func value(of time: WallTime) -> JSONValue {
    .array([.integer(time.seconds), .integer(Int64(time.nanoseconds))])
  }

  // MARK: Reading

  /// - Throws: why the bytes are no note.
  init(_ bytes: [UInt8]) throws(JSONError) {
    let count = bytes.count - UploadNote.digestCharacterCount - 1
    guard count > 0, bytes.last == 0x0a else { throw JSONError("it is cut short") }
    let line = Array(bytes[..<count])
    let told = String(decoding: bytes[count...].dropLast(), as: UTF8.self)
    let digest: [UInt8]
    do throws(CryptographyError) {
      digest = try MessageDigest.of(line, .sha256)
    } catch {
      throw JSONError("no digest can be made: \(error)")
    }
    guard told == hex(digest) else { throw JSONError("its digest is another one") }
    let limits = JSONLimits(sizeBytesMax: UploadNote.sizeBytesMax, depthMax: 4)
    guard let object = try JSONValue(parsing: line, limits: limits).objectValue else {
      throw JSONError("it is no object")
    }
    guard try object.integer("version") == UploadNote.version else {
      throw JSONError("its version is another one")
    }
    try self.init(object)
  }

  private init(_ object: JSONObject) throws(JSONError) {
    place = UploadPlace(
      endpoint: try object.string("endpoint"), bucket: try object.string("bucket"),
      key: try object.string("key"))
    guard let root = bytes(hex: try object.string("root")),
      let path = bytes(hex: try object.string("path"))
    else { throw JSONError("its source is none") }
    (self.root, self.path) = (String(decoding: root, as: UTF8.self), path)
    source = FileIdentity(
      device: UInt64(bitPattern: try object.integer("device")),
      inode: UInt64(bitPattern: try object.integer("inode")),
      sizeBytes: try object.integer("size"), modified: try UploadNote.time("modified", of: object),
      changed: try UploadNote.time("changed", of: object))
    partSizeBytes = try object.integer("part_size")
    attributes = try object.string("attributes")
    begun = try object.integer("begun")
    isDoubtful = try object.bool("doubtful")
    if object["md5"] != nil {
      guard let md5 = bytes(hex: try object.string("md5")), md5.count == 16 else {
        throw JSONError("its MD5 is none")
      }
      self.md5 = md5
    }
    others = try UploadNote.others(of: object)
    if object["upload"] != nil { upload = try object.string("upload") }
    guard source.sizeBytes >= 0, partSizeBytes > 0,
      (1...UploadNote.uploadCharacterCountMax).contains(upload?.utf8.count ?? 1)
    else { throw JSONError("a number is out of range") }
  }

  private static func others(of object: JSONObject) throws(JSONError) -> [String]? {
    guard let value = object["others"] else { return nil }
    guard let values = value.arrayValue, values.count <= othersCountMax else {
      throw JSONError("\"others\" must be a list")
    }
    var others: [String] = []
    for value in values {
      guard let other = value.stringValue else { throw JSONError("\"others\" must hold strings") }
      others.append(other)
    }
    return others
  }

  private static func time(_ name: String, of object: JSONObject) throws(JSONError) -> WallTime {
    guard let parts = object[name]?.arrayValue, parts.count == 2,
      let seconds = parts[0].integerValue, let rest = parts[1].integerValue,
      (0..<1_000_000_000).contains(rest)
    else { throw JSONError("\"\(name)\" must be a time") }
    return WallTime(seconds: seconds, nanoseconds: Int32(rest))
  }
}
