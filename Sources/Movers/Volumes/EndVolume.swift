import Control
import Glibc
package import Manifests
import Platform
package import Volumes

/// The volume of an end, and how a run gets at it: what its spec and the objects around it say.
package struct EndVolume: Sendable, Equatable {
  /// Below `status.drover`: how the last copy was made.
  static let copyField = "copy"

  package var role: Role
  package var bound: BoundVolume
  package var method: CopyMethod
  /// What the class of its snapshots says, and the name of the class.
  package var parameters = CopyParameters()
  package var className: String?
  /// The name of the claim or path in events.
  package var claimName: String
  package var namespace: String
  /// `namespace/name` of the object.
  package var owner: String
  /// VolSync's name of a point-in-time copy.
  package var copyName: String
  package var capacityBytes: UInt64?
  /// The claim that VolSync would make for a destination without one; nil with one.
  var ownClaim: JSONObject?
  /// How many replica images are kept.
  package var imageCountMax = 1
  /// Images that are kept for good.
  package var keptImages: Set<String> = []
  /// Whether the volume goes when an image of it has been made.
  package var isTemporary = false
  package var hooks = Hooks()
  /// As whom the mover runs; nil for the user of Drover.
  var user: ProcessUser?
  /// Of a claim whose application says when it may be copied.
  package var copyTrigger: CopyTrigger?

  /// Commands of the user around the copy.
  package struct Hooks: Sendable, Equatable {
    package var before: String?
    package var after: String?
    package var timeoutSeconds = 60.0
    /// Whether the run goes on when one of them fails.
    package var areOptional = false

    var isEmpty: Bool { before == nil && after == nil }

    fileprivate init(_ metadata: ObjectMetadata? = nil) {
      before = metadata?[.hookBefore]
      after = metadata?[.hookAfter]
      if let nanoseconds = metadata?[.hookTimeout].flatMap(goDurationNanoseconds) {
        timeoutSeconds = Double(nanoseconds) / 1e9
      }
      areOptional = metadata?[.hookOnError] == "Continue"
    }
  }

  /// What the annotations of a claim say (VolSync reference 5.3).
  package struct CopyTrigger: Sendable, Equatable {
    package var claim: ObjectKey
    package var value: String
    /// The value by which the last copy was made.
    package var latest: String

    fileprivate init?(_ claim: ObjectKey, _ set: ManifestSet) {
      guard
        let annotations = set.object(claim)?.document["metadata"]?.objectValue?["annotations"]?
          .objectValue, annotations[CopyTriggerAnnotation.use.name] != nil
      else { return nil }
      self.claim = claim
      value = annotations[CopyTriggerAnnotation.trigger.name]?.stringValue ?? ""
      latest = annotations[CopyTriggerAnnotation.latestTrigger.name]?.stringValue ?? ""
    }

    /// Whether a copy may be made; `last` is the value by which this process has made one.
    func isGiven(after last: String?) -> Bool {
      !value.isEmpty && value != (last ?? latest)
    }
  }

  init(of replication: some Replication, _ bound: BoundVolume, _ set: ManifestSet) {
    self.bound = bound
    role = type(of: replication).role
    let options = replication.mover?.volume
    method = options?.copyMethod?.value ?? .direct
    let metadata = replication.metadata
    namespace = metadata.namespace ?? "default"
    owner = "\(namespace)/\(metadata.name)"
    claimName = bound.claim?.name ?? bound.path
    copyName = "volsync-\(metadata.name)-src"
    capacityBytes = options?.capacity?.bytes
    if let name = options?.volumeSnapshotClassName {
      className = name
      let found = set.find(VolumeSnapshotClass.self, name, in: nil)
      parameters = found?.copies ?? CopyParameters()
    } else if !method.isDirect,
      let found = set.all(VolumeSnapshotClass.self).first(where: \.isDefault)
    {
      className = found.metadata.name
      parameters = found.copies ?? CopyParameters()
    }
    hooks = Hooks(metadata)
    takeUser(replication, set)
    if readsCopy, let claim = bound.claim { copyTrigger = CopyTrigger(claim, set) }
    guard role == .destination else { return }
    if capacityBytes == nil { capacityBytes = bound.provision?.capacityBytes }
    imageCountMax = metadata[.imageRetain].flatMap { Int($0) } ?? 1
    let space = namespace
    keptImages = Set(
      set.all(VolumeSnapshot.self).filter { $0.isKept && $0.metadata.namespace == space }
        .map(\.metadata.name))
    guard let options, options.destinationPVC == nil, let claim = bound.claim else { return }
    isTemporary = options.cleanupTempPVC
    ownClaim = EndVolume.claim(claim, options, labels: metadata.name)
  }

  /// Takes the user of the mover's context, unless movers of the namespace are privileged.
  private mutating func takeUser(_ replication: some Replication, _ set: ManifestSet) {
    guard let context = replication.mover?.options?.securityContext,
      set.find(Namespace.self, namespace, in: nil)?.hasPrivilegedMovers != true
    else { return }
    let group = context.fileSystemGroupID
    bound.provision?.groupID = group
    // One that is Drover's own needs no change.
    guard let id = context.userID, geteuid() == 0 || id != geteuid() else { return }
    bound.provision?.userID = id
    user = ProcessUser(
      userID: id, groupID: context.groupID ?? ProcessUser.primaryGroup(of: id) ?? id,
      supplementalGroupIDs: context.supplementalGroupIDs + (group.map { [$0] } ?? []))
  }

  private static func claim(
    _ key: ObjectKey, _ options: VolumeOptions, labels owner: String
  ) -> JSONObject {
    var spec: JSONObject = [
      "accessModes": .array(options.accessModes.map { .string($0.rawValue) }),
      "volumeMode": .string((options.volumeMode ?? .filesystem).rawValue),
    ]
    if let capacity = options.capacity {
      spec["resources"] = .object(["requests": .object(["storage": .string(capacity.text)])])
    }
    if let name = options.storageClassName { spec["storageClassName"] = .string(name) }
    return [
      "apiVersion": .string(PersistentVolumeClaim.apiVersion),
      "kind": .string(PersistentVolumeClaim.kind),
      "metadata": .object([
        "name": .string(key.name), "namespace": .string(key.namespace ?? "default"),
        "labels": .object(["app.kubernetes.io/created-by": .string("volsync")]),
      ]),
      "spec": .object(spec),
    ]
  }

  /// Whether a run reads a copy.
  var readsCopy: Bool { role == .source && !method.isDirect }
  /// Whether an image is kept after each run.
  var keepsImages: Bool { role == .destination && method == .snapshot }

  /// The file name of the copy in its place.
  var copyFileName: String { CopyPlace.name(copyName, in: namespace) }

  /// The first part of the names of images: the claim, or what can be a name of a path.
  var imageBase: String {
    if let claim = bound.claim { return claim.name }
    let last = bound.path.split(separator: "/").last.map(String.init)?.lowercased() ?? ""
    let words = last.split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }
    return words.isEmpty ? "volume" : words.joined(separator: "-")
  }

  func place() throws(VolumeError) -> CopyPlace {
    try CopyPlace(for: bound, root: parameters.root)
  }

  /// What commands of the user are told.
  var variables: [String: String] {
    [
      "DROVER_OBJECT": owner, "DROVER_NAMESPACE": namespace, "DROVER_CLAIM": claimName,
      "DROVER_VOLUME": bound.path,
    ]
  }
}

extension CopyFacts {
  func fields(at time: WallTime, seconds: Double? = nil) -> JSONObject {
    var fields: JSONObject = [
      "method": .string(method.rawValue), "consistency": .string(consistency.rawValue),
      "time": .string(time.rfc3339),
    ]
    if let seconds {
      fields["duration"] = .string(goDurationText(nanoseconds: Int64(seconds * 1e9)))
    }
    if let note { fields["note"] = .string(note) }
    return fields
  }
}

extension LoadedObject {
  /// How the last copy was made, as an earlier run has stored it.
  var copyFields: JSONObject {
    document["status"]?.objectValue?[FailedRuns.section]?.objectValue?[EndVolume.copyField]?
      .objectValue ?? JSONObject()
  }
}

extension ReplicaImage {
  /// The object of an image.
  var manifest: JSONObject {
    var spec: JSONObject = [
      "source": .object(["persistentVolumeClaimName": .string(claimName)])
    ]
    if let className { spec["volumeSnapshotClassName"] = .string(className) }
    return [
      "apiVersion": .string(VolumeSnapshot.apiVersion), "kind": .string(VolumeSnapshot.kind),
      "metadata": .object([
        "name": .string(name), "namespace": .string(namespace),
        "labels": .object(["app.kubernetes.io/created-by": .string("volsync")]),
      ]),
      "spec": .object(spec),
    ]
  }

  var key: ObjectKey {
    ObjectKey(kind: VolumeSnapshot.uniqueKind, namespace: namespace, name: name)
  }

  var reference: ImageReference {
    ImageReference(apiGroup: VolumeSnapshot.group, kind: VolumeSnapshot.kind, name: name)
  }

  /// The status of its object; below `drover`, what a cluster has no words for.
  var status: JSONObject {
    var own: JSONObject = facts.fields(at: created)
    own["path"] = .string(path)
    own["owner"] = .string(owner)
    var status: JSONObject = [
      "creationTime": .string(created.rfc3339), "readyToUse": .bool(true),
      "drover": .object(own),
    ]
    if let sizeBytes { status["restoreSize"] = .string("\(sizeBytes)") }
    return status
  }
}
