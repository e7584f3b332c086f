import BackupRepository
import Manifests
import Platform
import Volumes

/// Reads the Secret of a repository (VolSync reference 6.3); what is missing in it was reported
/// with the references.
struct ResticSecretReader {
  /// Beginnings of the names that VolSync passes on to the stores of restic.
  private static let storeSettings = [
    "AWS_", "RESTIC_AWS_", "RESTIC_REST_", "ST_", "OS_", "B2_", "AZURE_", "GOOGLE_", "RCLONE_",
  ]
  /// Where VolSync mounts `moverVolumes`.
  private static let mountRoot = "/mnt/"

  private let context: PlanContext

  init(_ context: PlanContext) { self.context = context }

  /// The repository of a section, or nil after a report.
  func repository<Kind: Replication>(
    of candidate: Candidate<Kind, ResticSection>
  ) -> ResticRepository? {
    let namespace = candidate.replication.metadata.namespace
    guard let name = candidate.section.repository?.value,
      let secret = context.set.find(Secret.self, name, in: namespace),
      let password = secret.data[ResticSecret.password]?.value,
      let text = secret.data[ResticSecret.repository]
    else { return nil }
    let address = read(text, of: secret, ResticSecret.repository) {
      (text) throws(RepositoryError) in try RepositoryAddress(text)
    }
    let place: String
    switch address {
    case nil: return nil
    case .s3: place = String(decoding: text.value, as: UTF8.self)
    case .local(let path):
      guard path.hasPrefix("/") else {
        report(text.mark, secret, ResticSecret.repository, "must be an absolute path")
        return nil
      }
      guard let path = hostPath(of: path, candidate) else { return nil }
      place = path
    }
    var repository = ResticRepository(address: place, password: password)
    fill(&repository, from: secret)
    if let authority = candidate.section.customCA {
      repository.certificates = context.set.certificates(of: authority, in: namespace) ?? []
    }
    return repository
  }

  private func fill(_ repository: inout ResticRepository, from secret: Secret) {
    if let text = secret.data["RESTIC_COMPRESSION"],
      let mode = read(text, of: secret, "RESTIC_COMPRESSION", CompressionMode.init(parsing:))
    {
      repository.compression = mode
    }
    if let text = secret.data["RESTIC_PACK_SIZE"],
      let size = read(text, of: secret, "RESTIC_PACK_SIZE", PackWriter.sizeBytes(parsing:))
    {
      repository.packSizeBytes = size ?? PackWriter.sizeBytesStandard
    }
    if let text = secret.data["RESTIC_READ_CONCURRENCY"] {
      let count = Int(String(decoding: text.value, as: UTF8.self))
      if count.map({ $0 < 0 }) ?? true {
        report(text.mark, secret, "RESTIC_READ_CONCURRENCY", "is not a number of files")
      }
      repository.readerCount = count ?? 0
    }
    repository.storeSettings = secret.data.mapValues(\.value).filter { name, _ in
      ResticSecretReader.storeSettings.contains(where: name.hasPrefix)
    }
  }

  /// The value of an entry, or nil after a report. Entries are secret: messages name what is wrong,
  /// and repeat what is no secret only.
  private func read<Value>(
    _ text: Marked<[UInt8]>, of secret: Secret, _ name: String,
    _ body: (String) throws(RepositoryError) -> Value
  ) -> Value? {
    do throws(RepositoryError) {
      return try body(String(decoding: text.value, as: UTF8.self))
    } catch {
      switch error {
      case .unsupported(let what, _):
        report(
          text.mark, secret, name,
          "\(what) is not served yet: only directories of this host and s3: are")
      default: report(text.mark, secret, name, error.message)
      }
      return nil
    }
  }

  private func report(_ mark: Mark, _ secret: Secret, _ name: String, _ text: String) {
    context.problems.add(
      Problem(mark, object: "\(Secret.kind)/\(secret.metadata.name)", path: "data.\(name)", text))
  }

  /// The path on this host: what lies below `/mnt/<mountPath>` is in the volume of a claim.
  private func hostPath<Kind: Replication>(
    of path: String, _ candidate: Candidate<Kind, ResticSection>
  ) -> String? {
    for volume in candidate.section.mover.volumes {
      guard let claim = volume.claim?.value else { continue }
      let name = volume.mountPath.split(separator: "/").joined(separator: "/")
      let mount = ResticSecretReader.mountRoot + name
      guard path == mount || path.hasPrefix(mount + "/") else { continue }
      let bound = context.bind(candidate.object) { () throws(VolumeError) in
        try context.binder.bind(claim: claim, of: candidate.replication)
      }
      return bound.map { $0.path + path.dropFirst(mount.count) }
    }
    return path
  }
}
