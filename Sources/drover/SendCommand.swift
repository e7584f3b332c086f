import ArgumentParser
import FileTree
import Platform
import Replication
import Transport

/// `drover replicate send`: the source's end.
struct SendCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "send",
    abstract: "Send a directory, block device or raw image to a receiver.",
    discussion: """
      The destination becomes equal to ROOT: what ROOT does not have is deleted there, unless \
      --no-delete is given.

      VolSync's own mover (stunnel and rsync) may be the receiver; it is served by the installed \
      rsync, without extended attributes and the root's own attributes.

      Examples:
        drover replicate send --connect backup --psk-file psk.txt /srv/data
        drover replicate send --connect [fd00::7]:9000 --psk-file psk.txt -ni data
        drover replicate send --connect backup --psk-file psk.txt \\
          --include '*.keep' --exclude /cache/ --bwlimit 20M /srv/data
        drover replicate send --connect backup --psk-file psk.txt \\
          --inplace /dev/vg0/data
        drover replicate send \\
          --via 'ssh backup drover replicate receive --stdio /srv/copy' /srv/data
      """)

  @Option(
    help: ArgumentHelp("The receiver; port 8000 when none is given.", valueName: "addr:port"),
    transform: TunnelOptions.endpoint)
  var connect: Endpoint?

  @Option(
    help: ArgumentHelp(
      "A command whose standard input and output are the receiver, in place of --connect; words"
        + " end at blanks.",
      valueName: "command"))
  var via: String?

  @OptionGroup var tunnel: TunnelOptions

  @Option(
    help: ArgumentHelp(
      "The line of the key file to use, by its identity; the first one by default.",
      valueName: "identity"))
  var pskIdentity: String?

  @OptionGroup(title: "Choice of entries") var filters: FilterArguments
  @OptionGroup(title: "Transfer") var transfer: TransferOptions
  @OptionGroup(title: "Output") var output: ReportOptions

  @Flag(name: [.customShort("i"), .long], help: "Print each change in rsync's itemized form.")
  var itemizeChanges = false

  @Argument(help: ArgumentHelp("A directory, block device or raw image.", valueName: "root"))
  var root: String

  func validate() throws {
    guard (connect == nil) != (via == nil) else {
      throw ValidationError("name the receiver by --connect or by --via")
    }
    try tunnel.validate(needsKeys: via == nil, "--via")
  }

  func run() throws {
    let interruption = Interruption.ofProcess()
    let report = SessionReport(output, isItemized: itemizeChanges)
    try ReplicateCommand.end(interruption, report) {
      var options = transfer.options(root: root)
      options.filter = try filters.rules()
      options.oneFileSystem = filters.oneFileSystem
      options.itemizeChanges = itemizeChanges || output.verbose
      let summary = try send(options, interruption, report)
      report.completed(summary)
      return summary.warningCount
    }
  }

  private func send(
    _ options: SendOptions, _ interruption: Interruption, _ report: SessionReport
  ) throws -> SessionSummary {
    if let via {
      let words = via.split(separator: " ").map(String.init)
      let stream = try ProgramStream(words: words, timeouts: tunnel.timeouts)
      report.connected(stream, speaks: .drover)
      return try StdioSending.run(stream, options, interruption, events: { report.handle($0) })
    }
    let key = try tunnel.loadKeys(report).clientKey(identity: pskIdentity)
    let sending = TunnelSending(
      to: connect ?? Endpoint(host: ""), key: key, timeouts: tunnel.timeouts,
      interruption: interruption)
    return try sending.run(
      options, events: { report.handle($0) }, connected: { report.connected($0, speaks: $1) })
  }
}

/// What the sender asks of a session besides its choice of entries.
struct TransferOptions: ParsableArguments {
  @Flag(
    inversion: .prefixedNo, help: "Delete at the destination what the source does not have.")
  var delete = true

  @Option(
    help: ArgumentHelp(
      "Delete no more than so many entries; the rest stays and the run ends as partial.",
      valueName: "count"))
  var maxDelete: Int?

  @Flag(
    name: [.customShort("c"), .long], help: "Compare content instead of size and time.")
  var checksum = false

  @Flag(name: [.customShort("n"), .long], help: "Change nothing; tell what would be done.")
  var dryRun = false

  @Flag(
    help: "Rewrite files where they are, behind an undo journal, instead of by temporary file.")
  var inplace = false

  @Flag(name: [.customShort("W"), .long], help: "Send changed files whole, without deltas.")
  var wholeFile = false

  @Option(
    help: ArgumentHelp(
      "Send no more than so many KiB a second, or with a unit: 20M, 1.5G; 0 for no limit.",
      valueName: "rate"),
    transform: TransferOptions.rate)
  var bwlimit: ByteRate?

  @Flag(name: .customShort("z"), help: "The same as --compress.")
  var compressAdaptively = false

  @Option(
    help: ArgumentHelp(
      "Compress with a fixed zstd level, 1 to 19; without a level, and by default, the level"
        + " follows the link and the cores.",
      valueName: "level"),
    transform: TransferOptions.compression)
  var compress: CompressionChoice?

  @Flag(help: "Do not compress.")
  var noCompress = false

  @Flag(help: "Let an empty source empty a filled destination.")
  var allowEmptySource = false

  @Option(
    help: ArgumentHelp(
      "The generation of the source, for a destination that was promoted before: see drover promote"
        + " [1].", valueName: "number"))
  var generation: UInt64 = 1

  func validate() throws {
    if generation == 0 { throw ValidationError("generations count from 1") }
    if noCompress, compress != nil || compressAdaptively {
      throw ValidationError("--compress and --no-compress exclude each other")
    }
    if let maxDelete, maxDelete < 0 {
      throw ValidationError("--max-delete takes a count from 0 upwards")
    }
  }

  func options(root: String) -> SendOptions {
    var options = SendOptions(root: root)
    options.delete = delete
    options.deleteCountMax = maxDelete
    options.checksum = checksum
    options.dryRun = dryRun
    options.inPlace = inplace
    options.wholeFile = wholeFile
    options.bandwidthLimitBytesPerSecond = bwlimit?.bytesPerSecond
    options.compression = noCompress ? .none : compress ?? .adaptive
    options.allowEmptySource = allowEmptySource
    options.generation = generation
    return options
  }

  private static func rate(_ text: String) throws -> ByteRate {
    guard let rate = ByteRate(text) else {
      throw ValidationError(
        "'\(text)' is not a rate: a number, then nothing (KiB), K, M, G or B; at least 512B, or 0")
    }
    return rate
  }

  private static func compression(_ text: String) throws -> CompressionChoice {
    if text == "adaptive" { return .adaptive }
    guard let level = Int(text), (1...19).contains(level) else {
      throw ValidationError("--compress takes a level from 1 to 19, not '\(text)'")
    }
    return .level(level)
  }
}
