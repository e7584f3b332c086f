package import BackupRepository
import ObjectStorage
package import Platform

/// One backup or restore of a volume, as a mover's child gets it.
package struct ResticJob: Sendable, Equatable {
  package enum Work: Sendable, Equatable {
    case backup(Backup)
    case restore(Restore)
  }

  package struct Backup: Sendable, Equatable {
    package var retention = ResticRetention()
    package var prunes = false
    /// The value of `unlock` that asks for one; nil when none is due.
    package var unlock: String?
    package var excludesCaches = false
    /// Stores an empty volume, too; otherwise that is refused.
    package var allowEmptySource = false
    /// The files are copies: numbers and change times of inodes tell nothing about changes.
    package var readsCopy = false

    package init() {}
  }

  package struct Restore: Sendable, Equatable {
    /// The newest snapshot not later than this second, since 1970; nil for the newest of all.
    package var asOfSeconds: Int64?
    /// How many newer candidates to skip.
    package var previous = 0
    package var deletesExtra = false

    package init() {}
  }

  /// The field of `spec` that names the mover.
  package static let section = "restic"
  /// What VolSync's mover calls itself in snapshots, and where it mounts the volume.
  package static let hostname = "volsync"
  package static let recordedPath = "/data"
  /// What VolSync's mover leaves out of every backup.
  package static let excludes = ["lost+found"]

  /// The directory of the volume.
  package var root: String
  package var repository: ResticRepository
  /// Where local caches stand; nil for none.
  package var cacheDirectory: String?
  package var work: Work
  package var guards = JobGuards()

  package init(root: String, repository: ResticRepository, work: Work) {
    self.root = root
    self.repository = repository
    self.work = work
  }
}

/// Where a repository is and how it is used: the values of its Secret.
package struct ResticRepository: Sendable, Equatable {
  package var address: String
  package var password: [UInt8]
  package var compression = CompressionMode.auto
  package var packSizeBytes = PackWriter.sizeBytesStandard
  /// Files to read at once, at least; 0 for as many as there are cores.
  package var readerCount = 0
  /// Certificates in PEM to trust besides those of the system; for stores behind TLS.
  package var certificates: [UInt8] = []
  /// Credentials and settings for stores that need any, by their names in the environment; a
  /// directory needs none.
  package var storeSettings: [String: [UInt8]] = [:]

  package init(address: String, password: [UInt8]) {
    self.address = address
    self.password = password
  }
}

extension ResticRepository {
  /// What the store takes besides its address. The environment of this process counts for nothing.
  func settings(isCancelled: @escaping @Sendable () -> Bool) -> StoreSettings {
    let values = storeSettings.compactMapValues { String(validating: $0, as: UTF8.self) }
    var settings = StoreSettings(isCancelled: isCancelled) { name in
      values[name].flatMap { $0.isEmpty ? nil : $0 }
    }
    settings.certificates = certificates
    return settings
  }
}

// MARK: JSON

extension ResticJob {
  package var document: JSONObject {
    var object: JSONObject = ["root": .string(root), "repository": .object(repository.document)]
    object["guards"] = .object(guards.document)
    if let cacheDirectory { object["cache"] = .string(cacheDirectory) }
    switch work {
    case .backup(let backup): object["backup"] = .object(backup.document)
    case .restore(let restore): object["restore"] = .object(restore.document)
    }
    return object
  }

  package init(_ object: JSONObject) throws(JSONError) {
    let work: Work
    switch (object["backup"]?.objectValue, object["restore"]?.objectValue) {
    case (let backup?, nil): work = .backup(try Backup(backup))
    case (nil, let restore?): work = .restore(try Restore(restore))
    default: throw JSONError("one of \"backup\" and \"restore\" must be an object")
    }
    guard let repository = object["repository"]?.objectValue else {
      throw JSONError("\"repository\" must be an object")
    }
    self.init(
      root: try object.string("root"), repository: try ResticRepository(repository), work: work)
    cacheDirectory = object["cache"]?.stringValue
    guards = JobGuards(object["guards"]?.objectValue)
  }
}

extension ResticJob.Backup {
  fileprivate var document: JSONObject {
    var object: JSONObject = [
      "retain": .object(retention.document), "prunes": .bool(prunes),
      "excludesCaches": .bool(excludesCaches), "allowEmptySource": .bool(allowEmptySource),
      "readsCopy": .bool(readsCopy),
    ]
    if let unlock { object["unlock"] = .string(unlock) }
    return object
  }

  fileprivate init(_ object: JSONObject) throws(JSONError) {
    guard let retain = object["retain"]?.objectValue else {
      throw JSONError("\"retain\" must be an object")
    }
    retention = try ResticRetention(retain)
    prunes = try object.bool("prunes")
    unlock = object["unlock"]?.stringValue
    excludesCaches = try object.bool("excludesCaches")
    allowEmptySource = try object.bool("allowEmptySource")
    readsCopy = try object.bool("readsCopy")
  }
}

extension ResticJob.Restore {
  fileprivate var document: JSONObject {
    var object: JSONObject = [
      "previous": .integer(Int64(previous)), "deletesExtra": .bool(deletesExtra),
    ]
    if let asOfSeconds { object["asOfSeconds"] = .integer(asOfSeconds) }
    return object
  }

  fileprivate init(_ object: JSONObject) throws(JSONError) {
    previous = Int(clamping: try object.integer("previous"))
    deletesExtra = try object.bool("deletesExtra")
    if object["asOfSeconds"] != nil { asOfSeconds = try object.integer("asOfSeconds") }
  }
}

extension ResticRepository {
  fileprivate var document: JSONObject {
    var settings = JSONObject()
    for (name, value) in storeSettings.sorted(by: { $0.key < $1.key }) {
      settings[name] = .string(Base64.text(of: value))
    }
    return [
      "address": .string(address), "password": .string(Base64.text(of: password)),
      "compression": .string(compression.rawValue),
      "packSizeBytes": .integer(Int64(packSizeBytes)), "readers": .integer(Int64(readerCount)),
      "certificates": .string(Base64.text(of: certificates)), "settings": .object(settings),
    ]
  }

  fileprivate init(_ object: JSONObject) throws(JSONError) {
    func decoded(_ text: String?, _ name: String) throws(JSONError) -> [UInt8] {
      guard let bytes = text.flatMap(Base64.bytes(of:)) else {
        throw JSONError("\"\(name)\" must be base64")
      }
      return bytes
    }
    self.init(
      address: try object.string("address"),
      password: try decoded(try object.string("password"), "password"))
    guard let mode = CompressionMode(rawValue: try object.string("compression")) else {
      throw JSONError("\"compression\" is none of those known")
    }
    compression = mode
    packSizeBytes = Int(clamping: try object.integer("packSizeBytes"))
    guard PackWriter.sizeBytesRange.contains(packSizeBytes) else {
      throw JSONError("\"packSizeBytes\" is out of range")
    }
    readerCount = Int(clamping: try object.integer("readers"))
    certificates = try decoded(try object.string("certificates"), "certificates")
    for setting in object["settings"]?.objectValue?.members ?? [] {
      storeSettings[setting.name] = try decoded(setting.value.stringValue, setting.name)
    }
  }
}
