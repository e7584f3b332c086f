import Platform

/// The spec of a place where backups rest (features 52, 96, 97).
package struct BackupStorageSpec: Sendable {
  package enum AccessMode: String, Sendable, CaseIterable {
    case readOnly = "ReadOnly"
    case readWrite = "ReadWrite"
  }

  package var provider: String
  package var bucket: String
  package var prefix: String?
  /// A Secret and the key in it.
  package var credential: (name: String, key: String)?
  package var isDefault: Bool
  package var accessMode: AccessMode
  package var config: [String: String]

  init(_ spec: FieldReader) {
    provider = spec.requiredString("provider") ?? ""
    let storage = spec.requiredObject("objectStorage")
    bucket = storage.requiredString("bucket") ?? ""
    prefix = storage.string("prefix")
    if let prefix, prefix.hasPrefix("/") || prefix.split(separator: "/").contains("..") {
      storage.report("prefix", "\"\(prefix)\" must be relative, without \"..\"")
    }
    if let certificate = storage.string("caCert"), Base64.bytes(of: certificate) == nil {
      storage.report("caCert", "is not base64: encode the certificate (base64 -w0)")
    }
    storage.finish()
    credential = BackupStorageSpec.decodeCredential(spec)
    isDefault = spec.bool("default") ?? false
    accessMode = spec.choice("accessMode") ?? .readWrite
    config = spec.stringMap("config").mapValues(\.value)
    _ = spec.duration("backupSyncPeriod")
    _ = spec.duration("validationFrequency")
  }

  static func decodeCredential(_ spec: FieldReader) -> (name: String, key: String)? {
    guard let fields = spec.object("credential") else { return nil }
    defer { fields.finish() }
    _ = fields.bool("optional")
    return (fields.requiredString("name") ?? "", fields.requiredString("key") ?? "")
  }
}

/// A place where backups rest.
package struct BackupStorageLocation: Manifest {
  package static let kind = "BackupStorageLocation"
  package static let apiVersion = "velero.io/v1"
  package static let aliases = ["backupstoragelocations", "bsl"]
  package static let service = KindService.notServed

  package let metadata: ObjectMetadata
  package let spec: BackupStorageSpec

  package init(metadata: ObjectMetadata, fields: FieldReader) {
    self.metadata = metadata
    let spec = fields.requiredObject("spec")
    self.spec = BackupStorageSpec(spec)
    spec.finish()
  }
}

/// A place of snapshots of volumes.
package struct VolumeSnapshotLocation: Manifest {
  package static let kind = "VolumeSnapshotLocation"
  package static let apiVersion = "velero.io/v1"
  package static let aliases = ["volumesnapshotlocations", "vsl"]
  package static let service = KindService.notServed

  package let metadata: ObjectMetadata
  package let provider: String

  package init(metadata: ObjectMetadata, fields: FieldReader) {
    self.metadata = metadata
    let spec = fields.requiredObject("spec")
    provider = VolumeSnapshotLocation.decode(spec)
    spec.finish()
  }

  static func decode(_ spec: FieldReader) -> String {
    _ = spec.stringMap("config")
    _ = BackupStorageSpec.decodeCredential(spec)
    return spec.requiredString("provider") ?? ""
  }
}
