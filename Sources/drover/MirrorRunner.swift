import ArgumentParser
import Glibc
import ObjectMirror
import ObjectStorage
import Platform
import Remotes

/// One run of a command of `drover mirror`: its options, its output, and the way to both sides.
final class MirrorRunner: Sendable {
  private static let certificateSizeBytesMax = 4 << 20

  let arguments: MirrorArguments
  let output: MirrorOutput
  private let bandwidth: BandwidthLimit?
  private let requests: RequestLimit?
  private let interruption = Interruption.ofProcess()

  private init(_ arguments: MirrorArguments) {
    self.arguments = arguments
    output = MirrorOutput(arguments)
    let interruption = interruption
    bandwidth = arguments.bwlimit.flatMap(BandwidthTimetable.init).map {
      BandwidthLimit($0, isCancelled: { interruption.isInterrupted })
    }
    requests = RequestLimit(perSecond: arguments.tpslimit)
  }

  /// Runs a command to its end and tells its failure; ends with the exit codes of rclone.
  static func end(
    _ arguments: MirrorArguments, _ body: (MirrorRunner) throws -> MirrorExitStatus
  ) throws {
    StartedProcess.hideFromDumps()
    let runner = MirrorRunner(arguments)
    for variable in UnservedOptions.variables(in: ProcessEnvironment.all) {
      runner.output.notice("\(variable) has no effect here")
    }
    var status: MirrorExitStatus
    do {
      status = try body(runner)
    } catch let error as any DroverError {
      status = runner.isInterrupted() ? .interrupted : MirrorExitStatus(error)
      runner.output.failed(error, status)
    }
    Console.standard.showStatus("")
    Console.standard.flush()
    if status != .done { throw ExitCode(status.rawValue) }
  }

  /// Asked by the engines from all their threads.
  var isInterrupted: @Sendable () -> Bool {
    let interruption = interruption
    return { interruption.isInterrupted }
  }

  // MARK: Sides

  /// The source that a text names: a directory, a prefix, or a single file.
  func source(_ text: String, destinationCount: Int) throws -> MirrorSide {
    try opening().openSource(try remote(text), destinationCount: destinationCount)
  }

  /// The side that a text names.
  func side(_ text: String, absence: SideOpening.Absence = .refuse) throws -> MirrorSide {
    try opening().open(try remote(text), absence: absence)
  }

  /// What a text names; options of it that have no effect are told.
  private func remote(_ text: String) throws -> Remote {
    let configuration = try configuration()
    for option in try configuration.withoutEffect(text) {
      output.notice("the option \(option) of \(MirrorRunner.name(of: text)) has no effect here")
    }
    return try configuration.remote(text)
  }

  /// The name of a remote, without the options behind it, which may be secrets.
  private static func name(of text: String) -> String {
    printable(text.prefix { $0 != "," }.prefix { $0 != ":" }.utf8)
  }

  /// Where uploads are noted; nil for nowhere. Without a place a run does all the same.
  func uploadJournal(_ option: String?) -> UploadJournal? {
    guard let place = stateDirectory(option, "uploads") else { return nil }
    let output = output
    do throws(PlatformError) {
      return try UploadJournal(directory: place) { output.notice($0) }
    } catch {
      output.notice("uploads are not noted, so they will not be resumed: \(error.description)")
      return nil
    }
  }

  /// A directory for what later runs can use: below the one that the option or the variable names,
  /// or the user's own for such things; nil for nowhere. Without it a run does all the same.
  func stateDirectory(_ option: String?, _ part: String) -> String? {
    let place: String
    if let named = option ?? RepoEnvironment["DROVER_STATE_DIR"] {
      if named == "off" { return nil }
      place = named.hasPrefix("/") ? named : "\(MirrorRunner.workingDirectory)/\(named)"
    } else if let state = RepoEnvironment["XDG_STATE_HOME"], state.hasPrefix("/") {
      place = "\(state)/drover"
    } else if let home = RepoEnvironment["HOME"], home.hasPrefix("/") {
      place = "\(home)/.local/state/drover"
    } else {
      return nil
    }
    let path = "\(place)/\(part)"
    var end = path.startIndex
    while end < path.endIndex {
      end = path[path.index(after: end)...].firstIndex(of: "/") ?? path.endIndex
      // Those above may stand, or be of a file system that takes none; the last one counts.
      _ = mkdir(String(path[..<end]), 0o700)
    }
    guard access(path, W_OK) == 0 else {
      output.info("\(printable(path.utf8)) cannot be used: \(PlatformError.reason(of: errno))")
      return nil
    }
    return path
  }

  private func configuration() throws(RemoteError) -> RemoteConfiguration {
    let environment = ProcessEnvironment.all
    let location = ConfigLocation.find(
      option: arguments.config, environment: environment,
      executableFolder: MirrorRunner.executableFolder, home: nil
    ) { access($0, F_OK) == 0 }
    var file = ConfigFile()
    if case .file(let path) = location {
      let isNamed = arguments.config != nil || environment["RCLONE_CONFIG"] != nil
      // Remotes may come from the environment alone.
      if isNamed || access(path, F_OK) == 0 { file = try ConfigFile(readingFrom: path) }
    }
    return RemoteConfiguration(
      file: file, environment: environment, flags: arguments.flags,
      workingDirectory: MirrorRunner.workingDirectory)
  }

  private static var executableFolder: String? {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    guard count > 0 else { return nil }
    let path = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return path.lastIndex(of: "/").map { String(path[..<$0]) }
  }

  private static var workingDirectory: String {
    guard let text = getcwd(nil, 0) else { return "/" }
    defer { free(text) }
    return String(cString: text)
  }

  private func opening() throws -> SideOpening {
    var opening = SideOpening()
    opening.variable = { RepoEnvironment[$0] }
    opening.attemptsMax = arguments.lowLevelRetries
    opening.transferCount = arguments.transfers
    opening.checkerCount = arguments.checkers
    opening.isCancelled = isInterrupted
    opening.bandwidth = bandwidth
    opening.requests = requests
    opening.verifiesServer = !arguments.noCheckCertificate
    opening.userAgent = arguments.userAgent
    var files = arguments.caCert
    if files.isEmpty, let bundle = RepoEnvironment["AWS_CA_BUNDLE"] { files = [bundle] }
    for path in files {
      let bytes = try SmallFile.read(path, sizeBytesMax: MirrorRunner.certificateSizeBytesMax)
      opening.certificates += bytes + [UInt8(ascii: "\n")]
    }
    let output = output
    opening.observe = { notice in
      output.info(
        "\(notice.subject): \(notice.error.description); once more in"
          + " \(Shown.decimal(notice.delaySeconds, places: 1)) s")
    }
    return opening
  }
}

/// The variables of this process.
enum ProcessEnvironment {
  static var all: [String: String] {
    var result: [String: String] = [:]
    for entry in StartedProcess.environment {
      guard let equals = entry.firstIndex(of: "=") else { continue }
      result[String(entry[..<equals])] = String(entry[entry.index(after: equals)...])
    }
    return result
  }
}
