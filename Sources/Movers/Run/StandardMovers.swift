package import Control
import Platform
import Supervision

extension MoverRegistry<MoverRequest> {
  /// Every mover of this target, each attempt in a child that `launch` starts. Destinations over
  /// the tunnel get their peers from the gate; without one their children listen themselves.
  package static func standard(
    gate: ListeningGate? = nil, launch: @escaping ChildMover.Launch = ChildSpec.mover(job:)
  ) -> MoverRegistry {
    var registry = MoverRegistry()
    let sections = [
      (RsyncTLSJob.section, "rsync-tls"), (ResticJob.section, "restic"),
      (RcloneJob.section, "rclone"), (RsyncSSHJob.section, "rsync"),
    ]
    for (section, name) in sections {
      registry.register(section: section) { request in
        if let gate, let mover = GateMover(name: name, gate, request, launch: launch) {
          return mover
        }
        return ChildMover(
          name: name,
          job: MoverJob(
            section: section, lockPath: request.lockPath, job: request.job.document),
          user: request.end.volume?.user, launch: launch, onEvent: request.onEvent)
      }
    }
    return registry
  }
}
