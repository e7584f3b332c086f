import Manifests
package import Platform
import StateStore

/// The work of one end, by the section of its spec.
package enum RunJob: Sendable, Equatable {
  case rsyncTLS(RsyncTLSJob)
  case restic(ResticJob)
  case rclone(RcloneJob)
  case rsync(RsyncSSHJob)

  /// The field of `spec` that names the mover.
  package var section: String {
    switch self {
    case .rsyncTLS: RsyncTLSJob.section
    case .restic: ResticJob.section
    case .rclone: RcloneJob.section
    case .rsync: RsyncSSHJob.section
    }
  }

  package var document: JSONObject {
    switch self {
    case .rsyncTLS(let job): job.document
    case .restic(let job): job.document
    case .rclone(let job): job.document
    case .rsync(let job): job.document
    }
  }

  package var rsyncTLS: RsyncTLSJob? { if case .rsyncTLS(let job) = self { job } else { nil } }
  package var restic: ResticJob? { if case .restic(let job) = self { job } else { nil } }
  package var rsync: RsyncSSHJob? { if case .rsync(let job) = self { job } else { nil } }
  package var rclone: RcloneJob? { if case .rclone(let job) = self { job } else { nil } }

  /// Whether it waits for another end to connect.
  var listens: Bool {
    switch self {
    case .rsyncTLS(let job): job.direction == .receive
    case .rsync(let job): job.direction == .receive
    case .restic, .rclone: false
    }
  }

  /// What a run uses alone: the repository, or the paths of the bucket.
  var places: [String] {
    switch self {
    case .rsyncTLS, .rsync: []
    case .restic(let job): ["restic:\(job.repository.address)"]
    case .rclone(let job): job.remotes.map { "rclone:\($0.address)" }
    }
  }

  /// The same job with what is known of the generation of its end.
  func of(_ generation: Int64, _ file: RelationFile?, name: String) -> RunJob {
    guard case .rsyncTLS(var job) = self else { return self }
    job.generation = generation
    job.relationPath = file?.path
    job.name = name
    return .rsyncTLS(job)
  }

  /// The same job with the peer to connect to; of no meaning to one that connects to none.
  func connecting(to address: HostPort) -> RunJob {
    switch self {
    case .rsyncTLS(var job):
      job.host = RunJob.connectHost(address.host)
      job.port = address.port
      return .rsyncTLS(job)
    case .rsync(var job):
      job.host = RunJob.connectHost(address.host)
      job.port = address.port
      return .rsync(job)
    case .restic, .rclone: return self
    }
  }

  /// The same job for another path. `hasNewInodes` says that numbers and change times of inodes are
  /// those of a copy, and tell nothing about changes.
  func reading(_ root: String, hasNewInodes: Bool) -> RunJob {
    switch self {
    case .rsyncTLS(var job):
      job.root = root
      return .rsyncTLS(job)
    case .rsync(var job):
      job.root = root
      return .rsync(job)
    case .rclone(var job):
      job.root = root
      return .rclone(job)
    case .restic(var job):
      job.root = root
      if case .backup(var backup) = job.work {
        backup.readsCopy = hasNewInodes
        job.work = .backup(backup)
      }
      return .restic(job)
    }
  }

  /// The same job for a user who cannot reach the caches of Drover's own.
  var withoutCache: RunJob {
    guard case .restic(var job) = self else { return self }
    job.cacheDirectory = nil
    return .restic(job)
  }

  /// The host to connect to for a listening address: all addresses are reached by the loopback.
  private static func connectHost(_ host: String) -> String {
    switch host {
    case "", "*", "0.0.0.0": "127.0.0.1"
    case "::": "::1"
    default: host
    }
  }
}
