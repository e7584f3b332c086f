package import Control
import Platform
import Supervision

extension MoverRegistry<MoverRequest> {
  /// Every mover of this target, each attempt in a child that `launch` starts.
  package static func standard(
    launch: @escaping ChildMover.Launch = ChildSpec.mover(job:)
  ) -> MoverRegistry {
    var registry = MoverRegistry()
    let sections = [
      (RsyncTLSJob.section, "rsync-tls"), (ResticJob.section, "restic"),
      (RcloneJob.section, "rclone"), (RsyncSSHJob.section, "rsync"),
    ]
    for (section, name) in sections {
      registry.register(section: section) { request in
        ChildMover(
          name: name,
          job: MoverJob(
            section: section, lockPath: request.lockPath, job: request.job.document),
          launch: launch, onEvent: request.onEvent)
      }
    }
    return registry
  }
}
