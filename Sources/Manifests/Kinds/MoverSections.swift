/// The mover section of a replication: exactly one.
package enum MoverSection: Sendable {
  case rsyncTLS(RsyncTLSSection)
  case rsync(RsyncSection)
  case rclone(RcloneSection)
  case restic(ResticSection)
  case syncthing(SyncthingSection)
  /// Another operator's job: not interpreted, no status is written.
  case external(provider: String?)

  /// The name of the field in `spec`.
  package var name: String {
    switch self {
    case .rsyncTLS: "rsyncTLS"
    case .rsync: "rsync"
    case .rclone: "rclone"
    case .restic: "restic"
    case .syncthing: "syncthing"
    case .external: "external"
    }
  }

  package var volume: VolumeOptions? {
    switch self {
    case .rsyncTLS(let section): section.volume
    case .rsync(let section): section.volume
    case .rclone(let section): section.volume
    case .restic(let section): section.volume
    case .syncthing, .external: nil
    }
  }

  /// The mover's options; nil for sections without any.
  package var options: MoverOptions? {
    switch self {
    case .rsyncTLS(let section): section.mover
    case .rclone(let section): section.mover
    case .restic(let section): section.mover
    case .rsync, .syncthing, .external: nil
    }
  }

  /// Reads the one section of `spec`; VolSync's messages where it has one.
  static func decode(_ spec: FieldReader, role: Role) -> MoverSection? {
    var sections: [MoverSection] = []
    if let fields = spec.object("rsyncTLS") {
      sections.append(.rsyncTLS(RsyncTLSSection(fields, role: role)))
    }
    if let fields = spec.object("rsync") {
      sections.append(.rsync(RsyncSection(fields, role: role)))
    }
    if let fields = spec.object("rclone") {
      sections.append(.rclone(RcloneSection(fields, role: role)))
    }
    if let fields = spec.object("restic") {
      sections.append(.restic(ResticSection(fields, role: role)))
    }
    if role == .source, let fields = spec.object("syncthing") {
      sections.append(.syncthing(SyncthingSection(fields)))
    }
    if let fields = spec.object("external") {
      sections.append(.external(provider: fields.string("provider")))
      _ = fields.stringMap("parameters")
      fields.finish()
    }
    if sections.count == 1 { return sections[0] }
    let path = spec.path
    if sections.isEmpty {
      let movers = "rclone, restic, rsync, rsyncTLS" + (role == .source ? ", syncthing" : "")
      spec.report(
        spec.node.mark, path, "a replication method must be specified - enabled movers: [\(movers)]"
      )
    } else {
      let names = sections.map(\.name).joined(separator: " and ")
      spec.report(
        spec.node.mark, path, "only one replication method can be supplied: found \(names)")
    }
    return nil
  }
}

package enum ServiceType: String, Sendable, CaseIterable {
  case clusterIP = "ClusterIP"
  case loadBalancer = "LoadBalancer"
}

/// Section `rsyncTLS` (VolSync reference 3.1).
package struct RsyncTLSSection: Sendable {
  /// The Secret with `psk.txt`; generated when none is named.
  package var keySecret: Marked<String>?
  /// Source only: the destination's host; nil pairs with a destination of the same files.
  package var address: Marked<String>?
  /// Source only; nil is 8000.
  package var port: UInt16?
  package var volume: VolumeOptions
  package var mover: MoverOptions

  init(_ fields: FieldReader, role: Role) {
    keySecret = fields.marked("keySecret")
    if role == .source {
      address = fields.marked("address")
      port = fields.integer("port", in: 0...65535).map { UInt16($0) }
    } else {
      _ = fields.choice("serviceType", ServiceType.self)
      _ = fields.stringMap("serviceAnnotations")
    }
    volume = VolumeOptions(fields, role: role, hasVolumeMode: role == .destination)
    mover = MoverOptions(fields)
    fields.finish()
  }
}

/// Section `rsync`, over ssh (VolSync reference 3.2).
package struct RsyncSection: Sendable {
  package var sshKeys: Marked<String>?
  package var address: String?
  package var port: UInt16?
  /// VolSync's movers take no notice of it.
  package var sshUser: String?
  package var volume: VolumeOptions

  init(_ fields: FieldReader, role: Role) {
    sshKeys = fields.marked("sshKeys")
    address = fields.string("address")
    port = fields.integer("port", in: 0...65535).map { UInt16($0) }
    _ = fields.choice("serviceType", ServiceType.self)
    if role == .destination { _ = fields.stringMap("serviceAnnotations") }
    _ = fields.string("path")
    sshUser = fields.string("sshUser")
    volume = VolumeOptions(fields, role: role, hasVolumeMode: role == .destination)
    _ = MoverOptions(fields, isReduced: true)
    fields.finish()
  }
}

/// A certificate authority of the user's own (VolSync reference 2.3).
package struct CustomCA: Sendable {
  package var secretName: Marked<String>?
  package var configMapName: Marked<String>?
  package var key: Marked<String>?

  init(_ fields: FieldReader) {
    secretName = fields.marked("secretName")
    configMapName = fields.marked("configMapName")
    key = fields.marked("key")
    fields.finish()
  }
}

/// Section `rclone` (VolSync reference 3.3).
package struct RcloneSection: Sendable {
  /// The Secret with `rclone.conf`.
  package var config: Marked<String>?
  package var configSection: Marked<String>?
  /// A bucket, and a path in it.
  package var destinationPath: Marked<String>?
  package var customCA: CustomCA?
  package var volume: VolumeOptions
  package var mover: MoverOptions

  init(_ fields: FieldReader, role: Role) {
    func required(_ name: String, _ noun: String) -> Marked<String>? {
      let value = fields.marked(name)
      if value == nil || value?.value.isEmpty == true {
        fields.report(name, "unable to get Rclone \(noun) name")
      }
      return value
    }
    config = required("rcloneConfig", "config secret")
    configSection = required("rcloneConfigSection", "config section")
    destinationPath = required("rcloneDestPath", "destination")
    customCA = fields.object("customCA").map(CustomCA.init)
    volume = VolumeOptions(fields, role: role)
    mover = MoverOptions(fields)
    fields.finish()
  }
}

/// Section `syncthing`, source only (VolSync reference 3.5).
package struct SyncthingSection: Sendable {
  package struct Peer: Sendable {
    package var address: String?
    package var id: String?
    package var isIntroducer: Bool
  }

  package var peers: [Peer]

  init(_ fields: FieldReader) {
    peers = fields.objects("peers").map { peer in
      defer { peer.finish() }
      return Peer(
        address: peer.requiredString("address"), id: peer.requiredString("ID"),
        isIntroducer: peer.bool("introducer") ?? false)
    }
    _ = fields.choice("serviceType", ServiceType.self)
    _ = fields.quantity("configCapacity")
    _ = fields.string("configStorageClassName")
    _ = fields.accessModes("configAccessModes")
    _ = MoverOptions(fields)
    fields.finish()
  }
}
