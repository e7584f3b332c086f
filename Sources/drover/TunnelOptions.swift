import ArgumentParser
import Platform
import Transport

/// What both ends of a tunnel need.
struct TunnelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The keys, one <identity>:<hex> a line; see 'drover key generate'.", valueName: "file"))
  var pskFile: String?

  @Option(
    help: ArgumentHelp(
      "Give up when nothing moves for so long; 0 waits for ever.", valueName: "seconds"))
  var timeout: Double = 300

  func validate() throws {
    // A week; the upper end keeps clock arithmetic in range.
    guard timeout >= 0, timeout <= 604_800 else {
      throw ValidationError("--timeout takes seconds from 0 to 604800")
    }
  }

  /// Checks that there are keys for the network, and none where a program carries the session.
  func validate(needsKeys: Bool, _ option: String) throws {
    if needsKeys, pskFile == nil {
      throw ValidationError("Missing expected argument '--psk-file <file>'")
    }
    if !needsKeys, pskFile != nil {
      throw ValidationError(
        "\(option) and --psk-file exclude each other: the program authenticates")
    }
  }

  var timeouts: StreamTimeouts { StreamTimeouts(timeoutSeconds: timeout == 0 ? nil : timeout) }

  /// Reads the key file, after which the process can no longer be dumped.
  func loadKeys(_ report: SessionReport) throws(TransportError) -> KeyRing {
    StartedProcess.hideFromDumps()
    let keys = try KeyRing(file: pskFile ?? "")
    for warning in keys.warnings { report.warn(warning) }
    return keys
  }

  /// Reads an address given to `--listen` or `--connect`.
  static func endpoint(_ text: String) throws -> Endpoint {
    do {
      return try Endpoint(parsing: text)
    } catch {
      throw ValidationError(
        ([error.message] + (error.hint.map { [$0] } ?? [])).joined(separator: ". "))
    }
  }
}
