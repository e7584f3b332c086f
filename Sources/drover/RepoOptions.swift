import ArgumentParser
import BackupRepository

/// The options that every command of `drover repo` takes, with restic's names.
struct RepoOptions: ParsableArguments {
  @Option(
    name: [.customShort("r", allowingJoined: true), .customLong("repo")],
    parsing: .unconditional,
    help: ArgumentHelp(
      "The repository: a path, local:PATH or s3:URL/BUCKET/PREFIX [$RESTIC_REPOSITORY].",
      valueName: "repository"))
  var repository: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Read the repository's address from FILE [$RESTIC_REPOSITORY_FILE].", valueName: "file"))
  var repositoryFile: String?

  @Option(
    name: [.customShort("p", allowingJoined: true), .long], parsing: .unconditional,
    help: ArgumentHelp("Read the password from FILE [$RESTIC_PASSWORD_FILE].", valueName: "file"))
  var passwordFile: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Run COMMAND for the password [$RESTIC_PASSWORD_COMMAND].", valueName: "command"))
  var passwordCommand: String?

  @Flag(help: "Take an empty password.")
  var insecureNoPassword = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Try this key first [$RESTIC_KEY_HINT].", valueName: "id"))
  var keyHint: String?

  @Flag(name: .shortAndLong, help: "Print errors and results only.")
  var quiet = false

  @Flag(name: .shortAndLong, help: "Print more; twice: every file. Or --verbose=N.")
  var verbose: Int

  @Flag(help: "Print JSON, as restic does.")
  var json = false

  @Flag(help: "Do not lock the repository; for reading only.")
  var noLock = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Wait so long for another's lock to go: 30s, 5m, 1h30m.", valueName: "duration"),
    transform: RepoOptions.seconds)
  var retryLock: Double?

  @Flag(help: "Keep nothing in a local cache.")
  var noCache = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Where caches stand [$RESTIC_CACHE_DIR; $XDG_CACHE_HOME/restic].", valueName: "directory"))
  var cacheDir: String?

  @Flag(help: .hidden)
  var cleanupCache = false

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Certificates to trust; for repositories behind TLS [$RESTIC_CACERT].", valueName: "file"))
  var cacert: [String] = []

  @Flag(help: .hidden)
  var insecureTls = false

  @Option(parsing: .unconditional, help: .hidden)
  var tlsClientCert: String?

  @Option(parsing: .unconditional, help: .hidden)
  var httpUserAgent: String?

  @Option(parsing: .unconditional, help: .hidden)
  var stuckRequestTimeout: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "auto, off, fastest, better or max [$RESTIC_COMPRESSION]; version 2 only.",
      valueName: "mode"))
  var compression: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Size of packs, 4 to 128 MiB [$RESTIC_PACK_SIZE].", valueName: "MiB"))
  var packSize: String?

  @Flag(help: .hidden)
  var noExtraVerify = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Store no more than so many KiB a second.", valueName: "KiB/s"))
  var limitUpload: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Fetch no more than so many KiB a second.", valueName: "KiB/s"))
  var limitDownload: Int?

  @Option(
    name: [.customShort("o", allowingJoined: true), .customLong("option")],
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Settings of the store: s3.bucket-lookup, s3.storage-class, s3.region, s3.connections, …",
      valueName: "key=value"))
  var extended: [String] = []

  func validate() throws {
    for (name, value) in [("upload", limitUpload), ("download", limitDownload)] {
      guard let value, value < 0 || value > Int.max >> 20 else { continue }
      throw ValidationError("--limit-\(name) takes KiB a second: a number from 0 upwards")
    }
    _ = try settings
  }

  /// 0 quiet, 1 as usual, 2 and 3 with more.
  var verbosity: Int { quiet ? 0 : min(1 + verbose, 3) }

  /// How contents are stored.
  var settings: (compression: CompressionMode, packSizeBytes: Int?) {
    get throws {
      do throws(RepositoryError) {
        let word = compression ?? RepoEnvironment["RESTIC_COMPRESSION"]
        let size = packSize ?? RepoEnvironment["RESTIC_PACK_SIZE"]
        return (
          try word.map(CompressionMode.init(parsing:)) ?? .auto,
          try size.flatMap(PackWriter.sizeBytes(parsing:))
        )
      } catch {
        throw ValidationError(error.message)
      }
    }
  }

  /// Seconds of a duration as Go writes it: `1h30m`, `500ms`, `0`.
  static func seconds(_ text: String) throws -> Double {
    let units: [(name: String, seconds: Double)] = [
      ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9), ("h", 3600), ("m", 60), ("s", 1),
    ]
    func refusal() -> ValidationError {
      ValidationError("'\(text)' is not a duration: numbers with units, 30s, 5m, 1h30m")
    }
    if text == "0" { return 0 }
    guard !text.isEmpty else { throw refusal() }
    var rest = text[...]
    var seconds = 0.0
    while !rest.isEmpty {
      let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
      rest = rest.dropFirst(digits.count)
      guard let number = Double(digits), let unit = units.first(where: { rest.hasPrefix($0.name) })
      else { throw refusal() }
      rest = rest.dropFirst(unit.name.count)
      seconds += number * unit.seconds
    }
    return seconds
  }
}
