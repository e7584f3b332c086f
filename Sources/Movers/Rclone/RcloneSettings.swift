import ObjectMirror
import Remotes

/// What the variables `RCLONE_…` of a Secret say about a run, over the defaults of VolSync's mover:
/// ten files at once, compared by size and MD5.
///
/// Those of remotes (`RCLONE_CONFIG_…`, `RCLONE_S3_…`, `RCLONE_LINKS`) are read where remotes are.
struct RcloneSettings: Sendable {
  /// A variable that cannot be used; values, which may be secret, are in no message.
  struct Problem: Error, Equatable {
    let variable: String
    let text: String
  }

  private static let prefix = "RCLONE_"
  /// Set by the mover itself, whatever the Secret says.
  private static let own: Set<String> = ["CONFIG", "CONFIG_SECTION", "DEST_PATH"]
  private static let remotePrefixes = ["CONFIG_", "S3_", "LOCAL_"]
  private static let remoteOptions: Set<String> = ["LINKS", "SKIP_LINKS", "ONE_FILE_SYSTEM"]
  /// What changes no result here: how much is told, and how memory is used.
  private static let withoutEffect: Set<String> = [
    "LOG_LEVEL", "LOG_FORMAT", "USE_JSON_LOG", "VERBOSE", "QUIET", "PROGRESS", "STATS",
    "STATS_LOG_LEVEL", "STATS_ONE_LINE", "STATS_ONE_LINE_DATE", "STATS_UNIT",
    "STATS_FILE_NAME_LENGTH", "FAST_LIST", "BUFFER_SIZE", "USE_MMAP", "MAX_BACKLOG",
    "MULTI_THREAD_STREAMS", "MULTI_THREAD_CUTOFF", "MULTI_THREAD_CHUNK_SIZE",
    "CREATE_EMPTY_SRC_DIRS", "DELETE_AFTER", "ASK_PASSWORD", "AUTO_CONFIRM", "METADATA",
  ]
  private static let concurrency = 1...256
  private static let attempts = 1...1000

  /// Without a filter and what the run itself decides.
  var options = MirrorOptions()
  /// Patterns of files that take no part.
  var excludes: [String] = []
  /// Attempts of a whole run (`RCLONE_RETRIES`), and of one request.
  var attemptCount = 3
  var requestAttemptCount = 10
  var verifiesServer = true
  var userAgent: String?

  init(_ variables: [String: [UInt8]]) throws(Problem) {
    options.deletes = true
    options.createsEmptyDirectories = true
    options.transferCount = 10
    options.comparison.checksum = true
    for (variable, bytes) in variables.sorted(by: { $0.key < $1.key }) {
      guard variable.hasPrefix(RcloneSettings.prefix), !bytes.isEmpty else { continue }
      let name = String(variable.dropFirst(RcloneSettings.prefix.count))
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw Problem(variable: variable, text: "is not UTF-8")
      }
      try take(Value(variable: variable, text: text), name)
    }
  }

  /// Whether a name is one of the mover's variables, those that it sets itself left out.
  static func isPassedOn(_ variable: String) -> Bool {
    variable.hasPrefix(prefix) && !own.contains(String(variable.dropFirst(prefix.count)))
  }

  private mutating func take(_ value: Value, _ name: String) throws(Problem) {
    switch name {
    case "TRANSFERS": options.transferCount = try value.number(RcloneSettings.concurrency)
    case "CHECKERS": options.checkerCount = try value.number(RcloneSettings.concurrency)
    case "RETRIES": attemptCount = try value.number(RcloneSettings.attempts)
    case "LOW_LEVEL_RETRIES": requestAttemptCount = try value.number(RcloneSettings.attempts)
    case "MAX_DELETE":
      let count = try value.number(-1...Int.max)
      options.deletionCountMax = count < 0 ? nil : Int64(count)
    case "CHECKSUM": options.comparison.checksum = try value.truth()
    case "SIZE_ONLY": options.comparison.sizeOnly = try value.truth()
    case "IGNORE_SIZE": options.comparison.ignoresSize = try value.truth()
    case "IGNORE_TIMES": options.comparison.ignoresTimes = try value.truth()
    case "IGNORE_EXISTING": options.comparison.ignoresExisting = try value.truth()
    case "UPDATE": options.comparison.updatesOlder = try value.truth()
    case "IMMUTABLE": options.comparison.immutable = try value.truth()
    case "NO_UPDATE_MODTIME": options.comparison.leavesTimes = try value.truth()
    case "USE_SERVER_MODTIME": options.usesServerTimes = try value.truth()
    case "IGNORE_ERRORS": options.ignoresErrors = try value.truth()
    case "NO_CHECK_CERTIFICATE": verifiesServer = try !value.truth()
    case "USER_AGENT": userAgent = value.text
    case "EXCLUDE": excludes = try value.list()
    default:
      let isOfRemote =
        RcloneSettings.remoteOptions.contains(name)
        || RcloneSettings.remotePrefixes.contains(where: name.hasPrefix)
      if isOfRemote || RcloneSettings.own.contains(name)
        || RcloneSettings.withoutEffect.contains(name)
      {
        return
      }
      throw Problem(variable: value.variable, text: "is not served: remove it")
    }
  }

  /// The text of a variable.
  private struct Value {
    let variable: String
    let text: String

    func number(_ range: ClosedRange<Int>) throws(Problem) -> Int {
      if let number = Int(text), range.contains(number) { return number }
      let most = range.upperBound == .max ? "" : " to \(range.upperBound)"
      throw Problem(variable: variable, text: "is no number from \(range.lowerBound)\(most)")
    }

    func truth() throws(Problem) -> Bool {
      switch text.lowercased() {
      case "1", "t", "true": return true
      case "0", "f", "false": return false
      default: throw Problem(variable: variable, text: "is neither true nor false")
      }
    }

    /// Values with commas between them; one that holds a comma stands in double quotes, and a
    /// quote in it is doubled.
    func list() throws(Problem) -> [String] {
      var items: [String] = []
      var item = ""
      var isQuoted = false
      var rest = Array(text.unicodeScalars)[...]
      while let scalar = rest.popFirst() {
        switch (scalar, isQuoted) {
        case ("\"", true) where rest.first == "\"":
          item.unicodeScalars.append(scalar)
          rest.removeFirst()
        case ("\"", true): isQuoted = false
        case ("\"", false) where item.isEmpty: isQuoted = true
        case (",", false):
          items.append(item)
          item = ""
        default: item.unicodeScalars.append(scalar)
        }
      }
      if isQuoted { throw Problem(variable: variable, text: "has a quote that does not end") }
      return (items + [item]).filter { !$0.isEmpty }
    }
  }
}
