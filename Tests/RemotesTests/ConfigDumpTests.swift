import Platform
import Remotes
import TestSupport
import Testing

/// Random configuration files are read as `rclone config dump` of both versions reads them.
@Suite struct ConfigDumpTests {
  @Test func randomFilesAreReadAsByRclone() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("rclone.conf")
    let judges = try RcloneJudge.all()
    var random = SeededGenerator(seed: 0xc0_4f16)
    var (accepted, refused) = (0, 0)
    for round in 0..<SampledCounts.count(sampled: 120, full: 1500) {
      let text = randomFile(&random)
      try ByteFiles.write(Array(path.utf8), text)
      let ours: JSONValue?
      do {
        ours = try dump(text)
      } catch RemoteError.endlessInterpolation {
        // rclone would not come back from it.
        continue
      }
      if ours == nil { refused += 1 } else { accepted += 1 }
      for judge in judges {
        let result = try judge.run(["config", "dump"], environment: ["RCLONE_CONFIG": path])
        let theirs = result.status == 0 ? try JSONValue(parsing: result.output) : nil
        guard ours == sorted(theirs) else {
          Issue.record(
            """
            round \(round), \(judge.version): \(printable(text)): \(String(describing: ours)) \
            against \(String(describing: theirs)) \(result.errorText)
            """)
          return
        }
      }
    }
    // Both answers have to come up, or one of them is not tested.
    #expect(accepted > 20)
    #expect(refused > 20)
  }

  /// As `rclone config dump` prints it, sections and keys sorted; nil for a file that is refused.
  private func dump(_ text: [UInt8]) throws -> JSONValue? {
    let file: ConfigFile
    do {
      file = try ConfigFile(text, path: "f")
    } catch {
      return nil
    }
    var all = JSONObject()
    for section in file.sectionNames {
      var values = JSONObject()
      for key in file.keys(of: section) {
        values[key] = .string(try file.value(of: key, in: section)?.text ?? "nil")
      }
      all[section] = .object(values)
    }
    return sorted(.object(all))
  }

  private func sorted(_ value: JSONValue?) -> JSONValue? {
    guard let object = value?.objectValue else { return value }
    var result = JSONObject()
    for member in object.members.sorted(by: { $0.name < $1.name }) {
      result[member.name] = sorted(member.value)
    }
    return .object(result)
  }

  private static let names = ["a", "b", "a.b", "a.b.c", "s", "key", "sss", "x y", "é", "DEFAULT"]
  private static let pieces = [
    "a", "b", " ", "=", ":", "`", "\"", "\"\"\"", "'", "#", ";", "[", "]", "%(", ")s", "%(a)s",
    "%(key)s", "%(d)s", "%(b)s", "-", "\\", "\t", "é", "\u{a0}", "\u{2003}", "\u{85}", "\r",
    "type", "s3", "%", "s", ")", "0",
  ]

  private func randomFile(_ random: inout SeededGenerator) -> [UInt8] {
    var text = random.chance(0.05) ? "\u{feff}" : ""
    for _ in 0..<(1 + random.below(9)) {
      switch random.below(10) {
      case 0, 1: text += "[\(random.pick(ConfigDumpTests.names))]"
      case 2: text += random.pick(["#", ";", " # "]) + piece(&random)
      case 3: text += random.pick(["[", " [", "[ "]) + piece(&random) + random.pick(["]", "] "])
      case 4:
        text += random.pick(["\"a b\"", "`a=b`", "-", "\"\"\"q\"\"\""]) + "=" + piece(&random)
      case 5: text += "d=\(random.pick(["", "dd", "`d `"]))"
      case 6: text += piece(&random)
      default: text += random.pick(ConfigDumpTests.names) + "=" + value(&random)
      }
      text += random.pick(["\n", "\n", "\n", "\r\n", "\n\n"])
    }
    return Array((isSafe(text) ? text : "[x]\na=1").utf8)
  }

  /// A value that refers twice to itself doubles two hundred times in rclone.
  private func isSafe(_ text: String) -> Bool {
    text.split(whereSeparator: \.isNewline).allSatisfy { line in
      line.split(separator: "%(", omittingEmptySubsequences: false).count <= 2
    }
  }

  private func value(_ random: inout SeededGenerator) -> String {
    random.chance(0.3) ? "`\(piece(&random))`" : piece(&random)
  }

  private func piece(_ random: inout SeededGenerator) -> String {
    (0..<random.below(5)).map { _ in random.pick(ConfigDumpTests.pieces) }.joined()
  }
}
