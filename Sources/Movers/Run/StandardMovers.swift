package import Control
import Platform
import Supervision

extension MoverRegistry<MoverRequest> {
  /// Every mover of this target, each attempt in a child that `launch` starts.
  package static func standard(
    launch: @escaping ChildMover.Launch = ChildSpec.mover(job:)
  ) -> MoverRegistry {
    var registry = MoverRegistry()
    registry.register(section: "rsyncTLS") { request in
      ChildMover(
        name: "rsync-tls",
        job: MoverJob(
          section: "rsyncTLS", lockPath: request.lockPath, job: request.job.document),
        launch: launch, onEvent: request.onEvent)
    }
    return registry
  }
}
