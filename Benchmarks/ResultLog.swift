import Glibc
import Platform

/// Writes a line to standard output at once, so that lines keep their order through a pipe.
func say(_ line: String) {
  // When nobody reads, there is nobody to tell.
  try? SmallFile.write(Array((line + "\n").utf8), to: 1, subject: "standard output")
}

/// Tells on standard error what takes a while, out of the way of the results.
func remark(_ line: String) {
  // When nobody reads, there is nobody to tell.
  try? SmallFile.write(Array((line + "\n").utf8), to: 2, subject: "standard error")
}

/// One JSON line for each measurement, on standard output and appended to a file.
final class ResultLog {
  private let commit: String
  private let path: String?

  init(path: String?) {
    self.path = path
    // Outside a repository the commit is unknown, and the line says so.
    let described = try? ChildProcess.capture([
      "sh", "-c", "git describe --always --dirty 2>/dev/null",
    ])
    commit = described?.split(separator: "\n").first.map(String.init) ?? "unknown"
  }

  func append(scenario: String, round: Int, peer: String, _ measurement: Measurement) throws {
    var line: JSONObject = [
      "benchmark": .string("replicate"), "scenario": .string(scenario),
      "round": .integer(Int64(round)), "peer": .string(peer),
    ]
    for member in measurement.json.members { line[member.name] = member.value }
    try append(line)
  }

  /// Appends a line with time, commit and load of the machine added.
  func append(_ object: JSONObject) throws {
    var line = object
    line["time"] = .string(WallTime.now().rfc3339)
    line["commit"] = .string(commit)
    let load = try SmallFile.read("/proc/loadavg", sizeBytesMax: 4096)
    line["load"] =
      String(decoding: load, as: UTF8.self).split(separator: " ").first
      .flatMap { Double($0) }.map { .double($0) } ?? .null
    let bytes = JSONValue.object(line).encoded() + [10]
    try SmallFile.write(bytes, to: 1, subject: "standard output")
    guard let path else { return }
    let raw = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard raw >= 0 else { throw PlatformError.last("open", path) }
    let file = Descriptor(owning: raw)
    try SmallFile.write(bytes, to: file.raw, subject: path)
  }
}
