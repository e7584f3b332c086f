import BackupRepository
import Control
import Manifests
import Platform
import Volumes

/// Makes the jobs of the section `restic`.
struct ResticPlanner {
  private let context: PlanContext
  private let secrets: ResticSecretReader
  private let cacheDirectory: String?
  private let now: WallTime
  var sources: [Candidate<ReplicationSource, ResticSection>] = []
  var destinations: [Candidate<ReplicationDestination, ResticSection>] = []

  init(_ context: PlanContext, cacheDirectory: String?, now: WallTime) {
    self.context = context
    secrets = ResticSecretReader(context)
    self.cacheDirectory = cacheDirectory
    self.now = now
  }

  var isEmpty: Bool { sources.isEmpty && destinations.isEmpty }

  func add(to plan: inout RunPlan) {
    var writers: [String: ObjectKey] = [:]
    var running: [String: ObjectKey] = [:]
    for source in sources {
      guard let end = end(of: source), let address = end.job.restic?.repository.address else {
        continue
      }
      if let other = writers.updateValue(source.key, forKey: address) {
        context.report(
          source.object, at: source.section.repository?.mark, "spec.restic.repository",
          "\(other) writes into the same repository: their snapshots could not be told apart, "
            + "so give each volume its own")
      }
      if source.spec.isPaused {
        plan.skipped.append(end)
      } else {
        plan.sources.append(end)
        running[address] = source.key
      }
    }
    for destination in destinations {
      guard var end = end(of: destination) else { continue }
      if let source = end.job.restic.flatMap({ running[$0.repository.address] }) {
        end.predecessors = [source]
      }
      if destination.spec.isPaused {
        plan.skipped.append(end)
      } else {
        plan.destinations.append(end)
      }
    }
  }

  private func end(of source: Candidate<ReplicationSource, ResticSection>) -> RunEnd? {
    let section = source.section
    let status = ResticUpkeep.carried(source.object.resticStatus, unlock: section.unlock)
    var backup = ResticJob.Backup()
    backup.retention = section.retain.map(ResticRetention.init) ?? ResticRetention()
    backup.excludesCaches = section.excludesCaches
    backup.allowEmptySource = source.replication.metadata[.allowEmptySource] == "true"
    guard let job = job(of: source, context.volume(of: source), .backup(backup)) else { return nil }
    var end = context.end(of: source, .restic(job))
    end.statusFields = status.fields
    // An object that no server has stored is made by this run.
    end.upkeep = .backup(
      JobUpkeep.Backup(
        pruneIntervalDays: section.pruneIntervalDays, unlock: section.unlock,
        created: source.object.created ?? now))
    end.job = end.job(at: now)
    return end
  }

  private func end(of destination: Candidate<ReplicationDestination, ResticSection>) -> RunEnd? {
    let section = destination.section
    var restore = ResticJob.Restore()
    restore.asOfSeconds = section.restoreAsOf?.seconds
    restore.previous = Int(clamping: section.previous ?? 0)
    restore.deletesExtra = section.enableFileDeletion
    let volume = context.volume(of: destination)
    guard let job = job(of: destination, volume, .restore(restore)) else { return nil }
    var end = context.end(of: destination, .restic(job))
    end.image = end.publishedClaim
    return end
  }

  /// The job, or nil after a report; what is wrong with volume and Secret is told at once.
  private func job<Kind: Replication>(
    of candidate: Candidate<Kind, ResticSection>, _ volume: BoundVolume?, _ work: ResticJob.Work
  ) -> ResticJob? {
    let repository = secrets.repository(of: candidate)
    guard let volume, let repository else { return nil }
    guard volume.form == .directory else {
      context.report(
        candidate.object, "spec.restic",
        "\(volume.path) is \(volume.mode.rawValue): restic keeps directories only")
      return nil
    }
    let inside = volume.path.hasSuffix("/") ? volume.path : volume.path + "/"
    if (repository.address + "/").hasPrefix(inside) {
      context.report(
        candidate.object, at: candidate.section.repository?.mark, "spec.restic.repository",
        "\(repository.address) lies in the volume itself")
      return nil
    }
    var job = ResticJob(root: volume.path, repository: repository, work: work)
    job.cacheDirectory = cacheDirectory
    return job
  }
}

extension LoadedObject {
  /// What an earlier run has printed, or a server stored.
  fileprivate var resticStatus: ResticStatus {
    let fields = document["status"]?.objectValue?[ResticJob.section]?.objectValue
    return ResticStatus(fields: fields ?? JSONObject())
  }

  fileprivate var created: WallTime? {
    document["metadata"]?.objectValue?["creationTimestamp"]?.stringValue
      .flatMap(WallTime.init(rfc3339:))
  }
}
