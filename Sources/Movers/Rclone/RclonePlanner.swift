import Control
import Manifests
import ObjectMirror
import Platform
import Remotes
import Volumes

/// Makes the jobs of the section `rclone`.
struct RclonePlanner {
  private let context: PlanContext
  var sources: [Candidate<ReplicationSource, RcloneSection>] = []
  var destinations: [Candidate<ReplicationDestination, RcloneSection>] = []

  init(_ context: PlanContext) { self.context = context }

  var isEmpty: Bool { sources.isEmpty && destinations.isEmpty }

  func add(to plan: inout RunPlan) {
    var writers = RemoteTable()
    var running = RemoteTable()
    for source in sources {
      guard let end = end(of: source), let remotes = end.job.rclone?.remotes else { continue }
      for remote in remotes {
        if let other = writers.firstOverlapping(remote.address) {
          reportOverlap(source, remote.address, other)
        }
        writers.add(remote.address, source.key)
      }
      if source.spec.isPaused {
        plan.skipped.append(end)
      } else {
        plan.sources.append(end)
        for remote in remotes { running.add(remote.address, source.key) }
      }
    }
    for destination in destinations {
      guard var end = end(of: destination), let remote = end.job.rclone?.remotes.first else {
        continue
      }
      if let source = running.firstOverlapping(remote.address) { end.predecessors = [source] }
      if destination.spec.isPaused {
        plan.skipped.append(end)
      } else {
        plan.destinations.append(end)
      }
    }
  }

  private func reportOverlap(
    _ source: Candidate<ReplicationSource, RcloneSection>, _ address: String, _ other: ObjectKey
  ) {
    let subject = other == source.key ? "another remote of it" : "\(other)"
    context.report(
      source.object, at: source.section.destinationPath?.mark, "spec.rclone.rcloneDestPath",
      "\(subject) writes to the same place as \(address): each would delete what the other has"
        + " stored, so give each its own")
  }

  private func end(of source: Candidate<ReplicationSource, RcloneSection>) -> RunEnd? {
    let further = source.replication.metadata[.destinations].map(Annotation.remotes) ?? []
    let status = source.object.rcloneStatus
    let volume = context.volume(of: source)
    guard let job = job(of: source, volume, .source, further: further, status) else { return nil }
    var end = context.end(of: source, .rclone(job))
    guard !further.isEmpty else { return end }
    end.statusFields = status
    end.upkeep = .remotes
    return end
  }

  private func end(of destination: Candidate<ReplicationDestination, RcloneSection>) -> RunEnd? {
    let volume = context.volume(of: destination)
    guard let job = job(of: destination, volume, .destination, further: [], JSONObject()) else {
      return nil
    }
    var end = context.end(of: destination, .rclone(job))
    end.image = end.publishedClaim
    return end
  }

  /// The job, or nil after a report; what is wrong with volume and Secret is told at once.
  private func job<Kind: Replication>(
    of candidate: Candidate<Kind, RcloneSection>, _ volume: BoundVolume?,
    _ direction: RcloneJob.Direction, further: [String], _ status: JSONObject
  ) -> RcloneJob? {
    let section = candidate.section
    let namespace = candidate.replication.metadata.namespace
    // What is missing was reported with the section and the references.
    guard let name = section.config?.value, let config = section.configSection?.value,
      let path = section.destinationPath?.value, !config.isEmpty, !path.isEmpty,
      let secret = context.set.find(Secret.self, name, in: namespace),
      let text = secret.data[RcloneSecret.configuration], !text.value.isEmpty
    else { return nil }
    let times = RcloneSummary.Remote.lastSyncTimes(in: status)
    let remotes = (["\(config):\(path)"] + further).map {
      RcloneJob.Remote($0, lastSyncTime: times[$0])
    }
    var job = RcloneJob(
      direction, root: volume?.path ?? "/", configuration: text.value, remotes: remotes)
    job.environment = secret.data.mapValues(\.value).filter { name, _ in
      RcloneSettings.isPassedOn(name)
    }
    if let authority = section.customCA {
      job.certificates = context.set.certificates(of: authority, in: namespace) ?? []
    }
    job.allowsEmpty = candidate.replication.metadata[.allowEmptySource] == "true"
    guard check(job, of: candidate, secret), let volume else { return nil }
    guard volume.form == .directory else {
      context.report(
        candidate.object, "spec.rclone",
        "\(volume.path) is \(volume.mode.rawValue): rclone keeps directories only")
      return nil
    }
    return job
  }

  /// Whether the remotes can be used, as far as that is known without going there.
  private func check<Kind: Replication>(
    _ job: RcloneJob, of candidate: Candidate<Kind, RcloneSection>, _ secret: Secret
  ) -> Bool {
    do throws(RcloneError) {
      _ = try RcloneAccess.remotes(of: job)
      return true
    } catch {
      report(error, candidate, secret)
      return false
    }
  }

  private func report<Kind: Replication>(
    _ error: RcloneError, _ candidate: Candidate<Kind, RcloneSection>, _ secret: Secret
  ) {
    func report(of entry: String, _ text: String) {
      let mark = secret.data[entry]?.mark ?? candidate.object.mark
      context.problems.add(
        Problem(
          mark, object: "\(Secret.kind)/\(secret.metadata.name)", path: "data.\(entry)", text))
    }
    switch error {
    case .setting(let problem): report(of: problem.variable, problem.text)
    case .remote(.unknownRemote(let name, _)):
      context.report(
        candidate.object, at: candidate.section.configSection?.mark,
        "spec.rclone.rcloneConfigSection",
        "the Secret \"\(secret.metadata.name)\" has no section \"\(name)\" in its"
          + " \(RcloneSecret.configuration)",
        suggestion: nearest(to: name, in: sections(of: secret)))
    case .remote(.syntax(let remote, let problem)):
      context.report(
        candidate.object, at: candidate.section.destinationPath?.mark,
        "spec.rclone.rcloneDestPath", "remote \"\(remote)\": \(problem)")
    case .remote: report(of: RcloneSecret.configuration, error.message)
    default:
      context.report(
        candidate.object, at: candidate.section.destinationPath?.mark, "spec.rclone",
        error.message)
    }
  }

  private func sections(of secret: Secret) -> [String] {
    let text = secret.data[RcloneSecret.configuration]?.value ?? []
    // One that cannot be read has another failure.
    return (try? ConfigFile(text, path: RcloneSecret.configuration))?.sectionNames ?? []
  }
}

extension LoadedObject {
  /// What an earlier run has printed of the section.
  fileprivate var rcloneStatus: JSONObject {
    document["status"]?.objectValue?[RcloneJob.section]?.objectValue ?? JSONObject()
  }
}
