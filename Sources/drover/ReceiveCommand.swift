import ArgumentParser
import Platform
import Replication
import Transport

/// `drover replicate receive`: the destination's end.
struct ReceiveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "receive",
    abstract: "Listen for senders and make a volume equal to theirs.",
    discussion: """
      Serves one session after the other until it is interrupted; a session that fails is \
      reported, and does not end it. With --once it ends with the first session, and with that \
      one's exit code; peers that cannot be authenticated do not count.

      VolSync's own mover (stunnel and rsync) may be the sender; it is served by the installed \
      rsync, and does not carry extended attributes.

      Examples:
        drover replicate receive --listen :8000 --psk-file psk.txt /srv/copy
        drover replicate receive --listen [::1]:9000 --psk-file psk.txt /dev/vg0/copy
        drover replicate receive --listen 127.0.0.1:0 --psk-file psk.txt \\
          --once --json /srv/copy
        drover replicate receive --stdio /srv/copy  # by ssh: see --via of send
      """)

  @Option(
    help: ArgumentHelp(
      "Where to listen: an empty address for all, port 0 for a free one.", valueName: "addr:port"),
    transform: TunnelOptions.endpoint)
  var listen = Endpoint(host: "")

  @OptionGroup var tunnel: TunnelOptions

  @Flag(
    help: "Serve one session on standard input and output, for a sender that comes through ssh.")
  var stdio = false

  @Flag(help: "End after the first session.")
  var once = false

  @Flag(
    help: ArgumentHelp(
      "Let an empty source of VolSync's own mover empty a filled destination; ours say so"
        + " themselves."))
  var allowEmptySource = false

  @OptionGroup(title: "Output") var output: ReportOptions

  @Option(
    help: ArgumentHelp(
      "Where the undo journal of a block device stands; by default /var/lib/drover/undo.",
      valueName: "directory"))
  var undoDir: String?

  @Argument(help: ArgumentHelp("A directory, block device or raw image.", valueName: "root"))
  var root: String

  func validate() throws { try tunnel.validate(needsKeys: !stdio, "--stdio") }

  func run() throws {
    if stdio { return try StdioReceiving(self).run() }
    let interruption = Interruption.ofProcess()
    let report = SessionReport(output, isItemized: !output.verbose)
    try ReplicateCommand.end(interruption, report) {
      let keys = try tunnel.loadKeys(report)
      let listener = try Listener(on: listen, wakeup: Wakeup())
      report.listening(on: listener.boundAddress)
      let reception = try Reception(listener, keys: keys, timeouts: tunnel.timeouts) {
        report.failed($0)
      }
      defer { reception.stop() }
      return try interruption.cancelling(by: { reception.cancel() }) {
        try serve(reception, report, interruption)
      }
    }
  }

  var receiveOptions: ReceiveOptions {
    var options = ReceiveOptions(root: root)
    options.undoDirectory = undoDir
    options.allowEmptyStockSource = allowEmptySource
    return options
  }

  /// Serves sessions until the first with `--once`, else until the interruption.
  private func serve(
    _ reception: Reception, _ report: SessionReport, _ interruption: Interruption
  ) throws -> Int64 {
    let sessions = ReceiverLoop(
      reception, options: receiveOptions, interruption: interruption, events: { report.handle($0) },
      connected: { report.connected($0, speaks: $1) })
    defer { sessions.stop() }
    while true {
      let outcome = try sessions.next()
      do {
        let summary = try outcome.get()
        report.completed(summary)
        if once { return summary.warningCount }
      } catch {
        if once || interruption.isInterrupted { throw error }
        report.failed(error)
      }
    }
  }
}
