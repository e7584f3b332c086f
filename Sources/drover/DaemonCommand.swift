import ArgumentParser
import Control
import Glibc
import Manifests
import Movers
import Observation
import Platform
import StateStore

/// `drover daemon`: runs everything that was applied.
struct DaemonCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "daemon",
    abstract: "Run everything that was applied: schedules, continuous sources, destinations.",
    discussion: """
      Objects come by drover apply or by hand, as files NAMESPACE/KIND/NAME.yaml of the state \
      directory; a change is taken up with the next run. SIGTERM and Ctrl-C cancel runs under way, \
      which begin again with the next start; so they do after a crash. SIGHUP looks at all files \
      again. Under systemd the unit is of Type=notify.
      """)

  @OptionGroup var options: StateOptions

  @Option(name: .customLong("max-movers"), help: "Runs that work at the same time.")
  var moverCountMax = ServiceEngine.slotCountStandard

  @Flag(name: .long, help: "Tell what happens in lines of JSON: --log-format json.")
  var json = false

  @Option(
    name: .customLong("log-format"), help: ArgumentHelp("text or json.", valueName: "format"))
  var logFormat = LogFormat.text

  @OptionGroup var metrics: MetricsOptions

  @OptionGroup var notification: NotificationOptions

  func validate() throws {
    guard (1...1000).contains(moverCountMax) else {
      throw ValidationError("--max-movers is a number from 1 to 1000")
    }
  }

  func run() throws {
    // It holds keys until its movers have them.
    StartedProcess.hideFromDumps()
    let log = DaemonLog(isJSON: json || logFormat == .json)
    var settings = ControlDaemon.Options()
    settings.slotCount = moverCountMax
    settings.cacheDirectory = RepoCache.standardPath
    settings.metrics = metrics.register
    let handle = DaemonHandle()
    TerminationSignals.handle(
      hangup: .reloads {
        ServiceManager.notify(.reloading)
        handle.daemon?.reload()
        ServiceManager.notify(.ready)
      }
    ) {
      ServiceManager.notify(.stopping)
      log.write("ending movers; once more to end at once")
      handle.stop()
    }
    let path = try options.path()
    // Threads start when the signals are theirs no more.
    settings.notifier = try notification.open { log.write("warning: \($0)") }
    defer { settings.notifier?.stop() }
    let gate = try ListeningGate { log.write("refused a peer: \($0)") }
    let daemon = try ControlDaemon(
      path: path, movers: .standard(gate: gate), options: settings, gate: gate
    ) {
      log.write($0)
    }
    handle.enter(daemon)
    let outlets = try metrics.open(settings.metrics) { log.write($0) }
    defer { outlets.stop() }
    try daemon.run {
      log.write("serving \(path)")
      ServiceManager.notify(.ready)
    }
    log.write("ended")
  }
}

/// The daemon for the thread of signals, which is there before it.
private final class DaemonHandle: @unchecked Sendable {
  private let lock = Lock()
  private var entered: ControlDaemon?
  private var shallEnd = false

  var daemon: ControlDaemon? { lock.withLock { entered } }

  func enter(_ daemon: ControlDaemon) {
    let shallEnd = lock.withLock {
      entered = daemon
      return self.shallEnd
    }
    if shallEnd { daemon.stop() }
  }

  func stop() {
    lock.withLock { shallEnd = true }
    daemon?.stop()
  }
}
