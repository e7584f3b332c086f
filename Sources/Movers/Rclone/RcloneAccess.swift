import Glibc
import Manifests
import ObjectMirror
import ObjectStorage
import Platform
import Remotes

/// The way of a job to its volume and to its remotes.
struct RcloneAccess: Sendable {
  /// Whatever the variables say, as VolSync's mover calls rclone.
  private static let flags = ["one-file-system": "true"]

  let job: RcloneJob
  let settings: RcloneSettings
  let selection: VolumeSelection
  let isCancelled: @Sendable () -> Bool
  let tell: @Sendable (MoverEvent) -> Void
  private let configuration: RemoteConfiguration

  init(
    _ job: RcloneJob, isCancelled: @escaping @Sendable () -> Bool,
    tell: @escaping @Sendable (MoverEvent) -> Void
  ) throws(RcloneError) {
    self.job = job
    self.isCancelled = isCancelled
    self.tell = tell
    do throws(RcloneSettings.Problem) { settings = try RcloneSettings(job.environment) } catch {
      throw .setting(error)
    }
    do throws(RemoteError) { configuration = try RcloneAccess.configuration(of: job) } catch {
      throw .remote(error)
    }
    do throws(MirrorError) { selection = try VolumeSelection(excludes: settings.excludes) } catch {
      throw .mirror(error)
    }
  }

  private static func configuration(of job: RcloneJob) throws(RemoteError) -> RemoteConfiguration {
    RemoteConfiguration(
      file: try ConfigFile(job.configuration, path: RcloneSecret.configuration),
      environment: job.environment.compactMapValues { String(validating: $0, as: UTF8.self) },
      flags: flags, workingDirectory: "/")
  }

  /// What the remotes of a job are, without going there.
  static func remotes(of job: RcloneJob) throws(RcloneError) -> [Remote] {
    let access = try RcloneAccess(job, isCancelled: { false }, tell: { _ in })
    var remotes: [Remote] = []
    for remote in job.remotes {
      do throws(RemoteError) {
        remotes.append(try access.configuration.remote(remote.address))
      } catch {
        throw .remote(error)
      }
      // Options that are not served are known before anything starts.
      if case .s3? = remotes.last { _ = try access.side(remote.address, absence: .refuse) }
    }
    return remotes
  }

  /// Where scratch files stand.
  var temporaryDirectory: String { getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp" }

  /// The volume, which has to be there. What is made in it is for the owner alone until it has its
  /// permissions.
  func volume() throws(RcloneError) -> LocalSide {
    let side = try side(job.root, absence: .refuse)
    guard case .local(let local) = side else {
      preconditionFailure("an absolute path is a directory")
    }
    return local
  }

  /// A remote; one that is a directory is made for a source.
  func side(_ address: String, absence: SideOpening.Absence) throws(RcloneError) -> MirrorSide {
    let remote: Remote
    do throws(RemoteError) { remote = try configuration.remote(address) } catch {
      throw .remote(error)
    }
    var opening = opening
    opening.makesPrivately = address == job.root
    do throws(MirrorError) { return try opening.open(remote, absence: absence) } catch {
      throw .mirror(error)
    }
  }

  private var opening: SideOpening {
    var opening = SideOpening()
    opening.transferCount = settings.options.transferCount
    opening.checkerCount = settings.options.checkerCount
    opening.attemptsMax = settings.requestAttemptCount
    opening.verifiesServer = settings.verifiesServer
    opening.userAgent = settings.userAgent
    opening.certificates = job.certificates
    opening.isCancelled = isCancelled
    opening.observe = { [tell] notice in
      tell(.note("\(notice.subject): \(notice.error.description)"))
    }
    return opening
  }

  /// The options of a run.
  var options: MirrorOptions {
    var options = settings.options
    options.filter = selection.filter
    options.allowsEmptySource = job.allowsEmpty
    if job.direction == .source { options.sourceGuard = job.guards.source }
    options.deletionLimit = job.guards.deletions
    options.temporaryDirectory = temporaryDirectory
    return options
  }

  /// Runs a call of the mirror engine with the failures of this mover.
  func mirroring<Value>(
    _ body: () throws(MirrorError) -> Value
  ) throws(RcloneError) -> Value {
    do throws(MirrorError) { return try body() } catch { throw .mirror(error) }
  }
}
