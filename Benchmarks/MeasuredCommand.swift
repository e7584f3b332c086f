import Glibc
import Platform

/// One run of one program, and what it has cost.
struct CommandUsage {
  var wallSeconds = 0.0
  var cpuSeconds = 0.0
  var peakKiB = 0

  var json: JSONObject {
    [
      "wall_seconds": .double(wallSeconds), "cpu_seconds": .double(cpuSeconds),
      "peak_kib": .integer(Int64(peakKiB)),
    ]
  }
}

/// Runs a command below a launcher of its own, which is this program again.
///
/// A process inherits the high mark of the memory of the one that starts it. The launcher has done
/// nothing before, so its few MiB hide no peak; and its own start is not in the wall time.
enum MeasuredCommand {
  static let verb = "measured-child"

  /// Runs `command` to its successful end; `log` takes what it writes.
  static func run(
    _ command: [String], environment: [String], launcher: String, log: String
  ) throws -> CommandUsage {
    let result = "\(log).usage"
    unlink(result)
    let launched = [launcher, verb, result, "env"] + environment + command
    try ChildProcess.start(launched, named: command, output: log).waitForSuccess()
    let value = try JSONValue(parsing: try SmallFile.read(result, sizeBytesMax: 65536))
    guard let object = value.objectValue, let wall = object["wall_seconds"]?.doubleValue,
      let cpu = object["cpu_seconds"]?.doubleValue, let peak = object["peak_kib"]?.integerValue
    else { throw BenchmarkError("\(result): the usage is not complete") }
    return CommandUsage(wallSeconds: wall, cpuSeconds: cpu, peakKiB: Int(peak))
  }

  /// The launcher: runs the command behind the first word, and writes its usage into the file that
  /// the first word names.
  static func runAsChild(_ words: ArraySlice<String>) throws {
    var command = words
    guard let result = command.popFirst(), !command.isEmpty else {
      throw BenchmarkError("\(verb) needs a file and a command", kind: .usage)
    }
    let start = MonotonicTime.now()
    let child = try ChildProcess.start(Array(command))
    let (code, usage) = try child.waitForUsage()
    var measured = CommandUsage()
    measured.wallSeconds = MonotonicTime.now().seconds(since: start)
    measured.cpuSeconds = seconds(usage.ru_utime) + seconds(usage.ru_stime)
    measured.peakKiB = usage.ru_maxrss
    guard code == 0 else { throw BenchmarkError("exit code \(code)") }
    let raw = open(result, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard raw >= 0 else { throw PlatformError.last("open", result) }
    let file = Descriptor(owning: raw)
    try SmallFile.write(JSONValue.object(measured.json).encoded(), to: file.raw, subject: result)
  }

  private static func seconds(_ time: timeval) -> Double {
    Double(time.tv_sec) + Double(time.tv_usec) / 1e6
  }
}
