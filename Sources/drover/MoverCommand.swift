import ArgumentParser
import Movers
import Platform

/// `drover mover`: one job of a parent that supervises it. Not for hands.
struct MoverCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mover",
    abstract: "Run one job from descriptor 3, telling events on descriptor 4.",
    shouldDisplay: false)

  func run() throws {
    var child = MoverChild()
    child.register(RsyncTLSJob.section, RsyncTLSWork(engine: makeReplicationEngine()))
    child.register(RsyncSSHJob.section, RsyncSSHWork(engine: SSHEngine()))
    child.register(ResticJob.section, ResticWork(programVersion: "drover \(droverVersion)"))
    child.register(RcloneJob.section, RcloneWork())
    let code = child.runFromDescriptors()
    if code != .done { throw ExitCode(code.rawValue) }
  }
}
