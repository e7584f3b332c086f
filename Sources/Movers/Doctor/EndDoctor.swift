import BackupRepository
import Control
import Glibc
import Manifests
import ObjectMirror
package import Observation
package import Platform
import Transport

/// Tries what a run of one end would need, without changing anything: its volume, its keys, its
/// peer, its store.
package struct EndDoctor: Sendable {
  /// For each address, and for each store.
  package static let secondsMax = 15.0

  private let end: RunEnd
  /// Where it listens, by its status.
  private let listening: HostPort?
  private let isServed: Bool
  private let name: String

  /// `name` is that of the object for people; `isServed` says that a daemon runs it.
  package init(_ end: RunEnd, name: String, isServed: Bool) {
    self.end = end
    self.name = name
    self.isServed = isServed
    let fields = end.storedStatus[end.job.section]?.objectValue
    listening = fields?["port"]?.integerValue.flatMap(UInt16.init(exactly:)).map {
      HostPort(host: fields?["address"]?.stringValue ?? "", port: $0)
    }
  }

  /// Blocks for a minute at the worst.
  package func checks(now: WallTime) -> [HealthCheck] {
    var checks = volume(now)
    switch end.job {
    case .rsyncTLS(let job):
      checks.append(key(job))
      checks += address(job.host, job.port, isSender: job.direction == .send)
    case .rsync(let job):
      checks += sshPrograms(job.direction)
      checks += address(job.host, job.port, isSender: job.direction == .send)
    case .restic(let job): checks.append(repository(job))
    case .rclone(let job): checks += remotes(job)
    }
    return checks
  }

  // MARK: Parts

  private var root: (path: String, isWritten: Bool) {
    switch end.job {
    case .rsyncTLS(let job): (job.root, job.direction == .receive)
    case .rsync(let job): (job.root, job.direction == .receive)
    case .restic(let job):
      if case .restore = job.work { (job.root, true) } else { (job.root, false) }
    case .rclone(let job): (job.root, job.direction == .destination)
    }
  }

  private func volume(_ now: WallTime) -> [HealthCheck] {
    let (path, isWritten) = root
    let subject = "\(name) volume"
    guard access(path, isWritten ? R_OK | W_OK : R_OK) == 0 else {
      return [
        HealthCheck(
          .fail, subject, "\(path): \(PlatformError.reason(of: errno))",
          advice: "Run as one who may \(isWritten ? "write" : "read") it.")
      ]
    }
    guard isWritten else { return [HealthCheck(.ok, subject, "\(path) can be read")] }
    return [HostChecks(now: now).freeSpace(subject, path)]
  }

  private func key(_ job: RsyncTLSJob) -> HealthCheck {
    let subject = "\(name) key"
    do {
      let ring = try job.key.withUnsafeBytes { try KeyRing(parsing: $0, source: "psk.txt") }
      _ = try ring.clientKey(identity: job.identity)
      let count = ring.keys.count
      return HealthCheck(.ok, subject, count == 1 ? "a key" : "\(count) keys")
    } catch {
      return EndDoctor.failed(.fail, subject, error)
    }
  }

  private func sshPrograms(_ direction: RsyncSSHJob.Direction) -> [HealthCheck] {
    let program = direction == .send ? "ssh" : "sshd"
    let subject = "\(name) \(program)"
    guard let path = SystemProgram.find(program) else {
      return [
        HealthCheck(
          .fail, subject, "there is no \(program)",
          advice: "Install openssh-\(direction == .send ? "client" : "server").")
      ]
    }
    return [HealthCheck(.ok, subject, path)]
  }

  /// Connects to the peer or, of one that listens, to itself.
  private func address(_ host: String, _ port: UInt16, isSender: Bool) -> [HealthCheck] {
    guard isSender else {
      // A port that is taken anew for each run is known to nobody outside.
      guard isServed, port != 0, let listening, !end.spec.isPaused else { return [] }
      let local = ["", "*", "::", "0.0.0.0"].contains(listening.host)
      let host = local ? "127.0.0.1" : listening.host
      return [connect("\(name) address", Endpoint(host: host, port: listening.port), .warn)]
    }
    // Its destination is an object of the same set, which is checked itself.
    if end.peer != nil { return [] }
    return [connect("\(name) peer", Endpoint(host: host, port: port), .fail)]
  }

  private func connect(
    _ subject: String, _ endpoint: Endpoint, _ level: HealthCheck.Level
  ) -> HealthCheck {
    var timeouts = StreamTimeouts()
    timeouts.connectSeconds = EndDoctor.secondsMax
    do {
      let connection = try Connection.connect(to: endpoint, timeouts: timeouts, wakeup: Wakeup())
      return HealthCheck(.ok, subject, "\(connection.peer) answers")
    } catch {
      return EndDoctor.failed(level, subject, error)
    }
  }

  private static func failed(
    _ level: HealthCheck.Level, _ subject: String, _ error: any Error
  ) -> HealthCheck {
    if let error = error as? any DroverError { return HealthCheck(level, subject, error) }
    return HealthCheck(level, subject, "\(error)")
  }

  private var isTooLate: @Sendable () -> Bool {
    let deadline = MonotonicTime.now().advanced(bySeconds: EndDoctor.secondsMax)
    return { MonotonicTime.now() > deadline }
  }

  private func repository(_ job: ResticJob) -> HealthCheck {
    let subject = "\(name) repository"
    var job = job
    job.cacheDirectory = nil
    let access = ResticAccess(job, isCancelled: isTooLate) { _ in }
    do {
      let repository = try access.open()
      return HealthCheck(.ok, subject, "\(repository.config.id.short) at \(repository.place) opens")
    } catch {
      if case .noRepository = error, case .backup = job.work {
        return HealthCheck(.warn, subject, "\(error.message): the first run makes it")
      }
      return HealthCheck(.fail, subject, error)
    }
  }

  private func remotes(_ job: RcloneJob) -> [HealthCheck] {
    job.remotes.map { remote in
      let subject = "\(name) \(remote.address)"
      do throws(RcloneError) {
        let access = try RcloneAccess(job, isCancelled: isTooLate) { _ in }
        let side = try access.side(remote.address, absence: .refuse)
        var isEmpty = true
        let contents = SideContents(side, filter: nil) { _ in }
        try access.mirroring { () throws(MirrorError) in
          try contents.forEach { _ in
            isEmpty = false
            return false
          }
        }
        return HealthCheck(.ok, subject, isEmpty ? "it answers, and is empty" : "it lists")
      } catch {
        if case .mirror(.noSource) = error, job.direction == .source {
          return HealthCheck(.warn, subject, "\(error.message): the first run makes it")
        }
        return HealthCheck(.fail, subject, error)
      }
    }
  }
}
