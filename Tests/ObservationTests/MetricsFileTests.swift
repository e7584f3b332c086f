import Glibc
import Observation
import Platform
import TestSupport
import Testing

@Suite("Metrics: the file")
struct MetricsFileTests {
  @Test("It is there at once, readable by the exporter, and nothing is left beside it")
  func writes() throws {
    let temporary = try TemporaryDirectory()
    let path = temporary.path("drover.prom")
    // What a killed process has left is taken over.
    try SmallFile.writeText("old", temporary.path(".drover.prom.drover-new"))
    let register = MetricsRegister(version: "1", started: WallTime(seconds: 1))
    let file = try MetricsFile(path, register) { Issue.record("\($0)") }
    var information = stat()
    #expect(stat(path, &information) == 0 && information.st_mode & 0o444 == 0o444)
    #expect(try SmallFile.text(path).hasPrefix("# HELP volsync_"))
    file.stop()
    #expect(try DurableFile.names(in: temporary.path, countMax: 9) == ["drover.prom"])
  }

  @Test("A place where it cannot be written is told at the start, and later once")
  func unwritable() throws {
    let temporary = try TemporaryDirectory()
    let register = MetricsRegister(version: "1", started: WallTime(seconds: 1))
    #expect(throws: PlatformError.self) {
      _ = try MetricsFile(temporary.path("no/drover.prom"), register) { _ in }
    }
    let place = try temporary.makeDirectory("place")
    let complaints = Complaints()
    let file = try MetricsFile("\(place)/drover.prom", register) { complaints.add($0) }
    unlink("\(place)/drover.prom")
    rmdir(place)
    file.stop()
    #expect(complaints.all.count == 1)
  }
}

private final class Complaints: @unchecked Sendable {
  private let lock = Lock()
  private var errors: [PlatformError] = []
  func add(_ error: PlatformError) { lock.withLock { errors.append(error) } }
  var all: [PlatformError] { lock.withLock { errors } }
}

extension SmallFile {
  fileprivate static func text(_ path: String) throws -> String {
    String(decoding: try read(path, sizeBytesMax: 1 << 20), as: UTF8.self)
  }

  fileprivate static func writeText(_ text: String, _ path: String) throws {
    let slash = path.lastIndex(of: "/") ?? path.startIndex
    try DurableFile.replace(
      String(path[path.index(after: slash)...]), in: String(path[..<slash]),
      with: Array(text.utf8), mode: 0o644)
  }
}
