import Platform

/// What is read, or kept after a run.
package enum CopyMethod: String, Sendable, CaseIterable {
  case direct = "Direct"
  /// The old name of `Direct`.
  case none = "None"
  case clone = "Clone"
  case snapshot = "Snapshot"

  /// Whether the volume itself is used, without a copy.
  package var isDirect: Bool { self == .direct || self == .none }
}

package enum VolumeMode: String, Sendable, CaseIterable {
  case filesystem = "Filesystem"
  case block = "Block"
}

package enum AccessMode: String, Sendable, CaseIterable {
  case readWriteOnce = "ReadWriteOnce"
  case readOnlyMany = "ReadOnlyMany"
  case readWriteMany = "ReadWriteMany"
  case readWriteOncePod = "ReadWriteOncePod"
}

/// Which end of a replication a section stands for.
package enum Role: String, Sendable {
  case source
  case destination
}

/// The volume options inline in each mover section (VolSync reference 2.1, 2.2).
package struct VolumeOptions: Sendable {
  package var copyMethod: Marked<CopyMethod>?
  package var capacity: Quantity?
  package var storageClassName: String?
  package var accessModes: [AccessMode] = []
  package var volumeSnapshotClassName: String?
  /// Destination only: the claim to fill, or an absolute path of this host.
  package var destinationPVC: Marked<String>?
  package var cleanupTempPVC = false
  /// Destination of `rsync` and `rsyncTLS` only.
  package var volumeMode: VolumeMode?

  init(_ fields: FieldReader, role: Role, hasVolumeMode: Bool = false) {
    copyMethod = VolumeOptions.decodeCopyMethod(fields, role: role)
    capacity = fields.quantity("capacity")
    storageClassName = fields.string("storageClassName")
    accessModes = fields.accessModes("accessModes")
    volumeSnapshotClassName = fields.string("volumeSnapshotClassName")
    guard role == .destination else { return }
    destinationPVC = fields.marked("destinationPVC")
    cleanupTempPVC = fields.bool("cleanupTempPVC") ?? false
    if hasVolumeMode { volumeMode = fields.choice("volumeMode") }
    guard !fields.has("destinationPVC") else { return }
    for (name, isGiven) in [
      ("capacity", fields.has("capacity")), ("accessModes", fields.has("accessModes")),
    ] where !isGiven {
      fields.report(name, "\(name) must be provided when destinationPVC is not")
    }
  }

  /// The texts are VolSync's; an empty method is as wrong as an unknown one.
  private static func decodeCopyMethod(_ fields: FieldReader, role: Role) -> Marked<CopyMethod>? {
    let marked = fields.marked("copyMethod")
    // Not a text: that is reported already.
    if marked == nil, fields.has("copyMethod") { return nil }
    let text = marked?.value ?? ""
    let allowed = CopyMethod.allCases.filter { role == .source || $0 != .clone }
    if let method = CopyMethod(rawValue: text), allowed.contains(method) {
      return Marked(method, fields.mark(of: "copyMethod"))
    }
    let list = role == .source ? "Direct, None, Clone, or Snapshot" : "Direct, None, or Snapshot"
    fields.report(
      "copyMethod", "unsupported copyMethod: \(text) -- must be \(list)",
      suggestion: text.isEmpty ? nil : nearest(to: text, in: allowed.map(\.rawValue)))
    return nil
  }
}

extension FieldReader {
  func accessModes(_ name: String) -> [AccessMode] {
    let modes = strings(name)
    if has(name), modes.isEmpty { report(name, "must name at least one access mode") }
    let names = AccessMode.allCases.map(\.rawValue)
    return modes.compactMap { text in
      if let mode = AccessMode(rawValue: text) { return mode }
      let list = names.joined(separator: ", ")
      report(name, "\"\(text)\" is not one of \(list)", suggestion: nearest(to: text, in: names))
      return nil
    }
  }
}

/// The mover options inline in most sections (VolSync reference 2.3). What concerns pods is
/// accepted and has no meaning on a host.
package struct MoverOptions: Sendable {
  package var serviceAccount: String?
  package var securityContext: MoverSecurityContext?
  package var volumes: [MoverVolume] = []

  /// `isReduced` is the set of the section `rsync`.
  init(_ fields: FieldReader, isReduced: Bool = false) {
    serviceAccount = fields.string("moverServiceAccount")
    _ = fields.stringMap("moverPodLabels")
    _ = fields.object("moverResources")
    if isReduced { return }
    securityContext = fields.object("moverSecurityContext").map(MoverSecurityContext.init)
    _ = fields.object("moverAffinity")
    volumes = fields.objects("moverVolumes").map(MoverVolume.init)
  }
}

/// A further volume of a mover, such as a local repository.
package struct MoverVolume: Sendable {
  package var mountPath: String
  package var secret: Marked<String>?
  package var claim: Marked<String>?

  init(_ fields: FieldReader) {
    mountPath = fields.requiredString("mountPath") ?? ""
    if mountPath.split(separator: "/").contains("..") {
      fields.report("mountPath", "\"\(mountPath)\" must be a name below /mnt, without \"..\"")
    }
    if let source = fields.object("volumeSource") {
      let secretFields = source.object("secret")
      secret = secretFields?.marked("secretName")
      secretFields?.ignore("items", "defaultMode", "optional")
      secretFields?.finish()
      let claimFields = source.object("persistentVolumeClaim")
      claim = claimFields?.marked("claimName")
      claimFields?.ignore("readOnly")
      claimFields?.finish()
      source.ignore("nfs")
      source.finish()
    } else {
      fields.report("volumeSource", "is required")
    }
    fields.finish()
  }
}
