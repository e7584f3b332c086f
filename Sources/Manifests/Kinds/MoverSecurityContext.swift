/// The user and groups of a mover: what of Kubernetes' PodSecurityContext means something here.
package struct MoverSecurityContext: Sendable, Equatable {
  package var userID: UInt32?
  package var groupID: UInt32?
  /// A group that the mover is in, and that may write to volumes that are made.
  package var fileSystemGroupID: UInt32?
  package var supplementalGroupIDs: [UInt32] = []

  /// What an id may be: the last number stands for none in the kernel.
  private static let idRange: ClosedRange<Int64> = 0...Int64(UInt32.max - 1)

  init(_ fields: FieldReader) {
    func id(_ name: String) -> UInt32? {
      fields.integer(name, in: MoverSecurityContext.idRange).map { UInt32(clamping: $0) }
    }
    userID = id("runAsUser")
    groupID = id("runAsGroup")
    fileSystemGroupID = id("fsGroup")
    supplementalGroupIDs = fields.integers(
      "supplementalGroups", in: MoverSecurityContext.idRange
    ).map { UInt32(clamping: $0) }
    if fields.bool("runAsNonRoot") == true, userID == 0 {
      fields.report("runAsUser", "is 0, but runAsNonRoot is true")
    }
    fields.ignore(
      "fsGroupChangePolicy", "supplementalGroupsPolicy", "seLinuxOptions", "seLinuxChangePolicy",
      "seccompProfile", "appArmorProfile", "sysctls", "windowsOptions")
    fields.finish()
  }
}

extension Namespace {
  /// With it, movers run as root, whatever their context says (VolSync reference 2.4).
  package static let privilegedMovers = "volsync.backube/privileged-movers"

  package var hasPrivilegedMovers: Bool {
    metadata.annotations[Namespace.privilegedMovers]?.value.lowercased() == "true"
  }
}
