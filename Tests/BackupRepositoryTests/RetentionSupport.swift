import Glibc
import Testing

@testable import BackupRepository

/// The bytes of a file under `fixtures/`.
func fixture(_ path: String) throws -> [UInt8] {
  let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
  let file = try #require(fopen("/\(root)/fixtures/\(path)", "r"), "fixtures/\(path)")
  defer { fclose(file) }
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = fread(&buffer, 1, buffer.count, file)
    guard count > 0 else { return bytes }
    bytes += buffer[..<count]
  }
}

/// `2016-01-18T23:30:00-05:00`, without a fraction; the calendar is that of the C library, which
/// shares nothing with the code under test.
func time(_ text: String) throws -> CivilTime {
  let isUTC = text.hasSuffix("Z")
  let parts = text.split { !$0.isNumber }.compactMap { Int32($0) }
  try #require(parts.count == (isUTC ? 6 : 8), "\(text)")
  var fields = tm()
  fields.tm_year = parts[0] - 1900
  fields.tm_mon = parts[1] - 1
  fields.tm_mday = parts[2]
  fields.tm_hour = parts[3]
  fields.tm_min = parts[4]
  fields.tm_sec = parts[5]
  let isWest = text.utf8.dropFirst(19).first == UInt8(ascii: "-")
  let zone = isUTC ? 0 : (parts[6] * 3600 + parts[7] * 60) * (isWest ? -1 : 1)
  return CivilTime(seconds: Int64(timegm(&fields)) - Int64(zone), zoneOffsetSeconds: zone)
}

func snapshot(
  _ number: UInt64, _ text: String, host: String = "h", paths: [String] = ["/data"],
  tags: [String] = []
) throws -> RetentionSnapshot {
  RetentionSnapshot(
    id: SnapshotID(words: (number << 32, 0, 0, number)), time: try time(text), hostname: host,
    paths: paths, tags: tags)
}
