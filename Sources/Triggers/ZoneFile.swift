/// Reads the files of the time zone database (RFC 8536, versions 1 to 4).
enum ZoneFile {
  private static let headerSize = 44

  /// The counts of a header, in its order.
  private struct Counts {
    var universal: Int
    var standard: Int
    var leap: Int
    var transitions: Int
    var types: Int
    var characters: Int

    func bodySize(timeSize: Int) -> Int {
      transitions * (timeSize + 1) + types * 6 + characters + leap * (timeSize + 4) + standard
        + universal
    }
  }

  /// nil when the bytes are no such file.
  static func zone(_ bytes: [UInt8], name: String) -> TimeZone? {
    var reader = Reader(bytes: bytes)
    guard let (version, counts) = header(&reader) else { return nil }
    guard version >= UInt8(ascii: "2") else { return body(&reader, counts, timeSize: 4, name) }
    guard reader.skip(counts.bodySize(timeSize: 4)), let (_, counts) = header(&reader) else {
      return nil
    }
    return body(&reader, counts, timeSize: 8, name)
  }

  private static func header(_ reader: inout Reader) -> (version: UInt8, Counts)? {
    guard let magic = reader.take(4), Array(magic) == Array("TZif".utf8),
      let version = reader.take(1)?.first, reader.skip(15)
    else { return nil }
    var values: [Int] = []
    for _ in 0..<6 {
      guard let value = reader.integer(4) else { return nil }
      values.append(Int(UInt32(truncatingIfNeeded: value)))
    }
    // A length beyond the file is found out when the bytes are taken.
    guard values.allSatisfy({ $0 <= 1 << 24 }), values[4] > 0 else { return nil }
    return (
      version,
      Counts(
        universal: values[0], standard: values[1], leap: values[2], transitions: values[3],
        types: values[4], characters: values[5])
    )
  }

  private static func body(
    _ reader: inout Reader, _ counts: Counts, timeSize: Int, _ name: String
  ) -> TimeZone? {
    guard reader.has(counts.bodySize(timeSize: timeSize)) else { return nil }
    var times: [Int64] = []
    for _ in 0..<counts.transitions {
      guard let time = reader.integer(timeSize) else { return nil }
      if let last = times.last, last >= time { return nil }
      times.append(time)
    }
    guard let indices = reader.take(counts.transitions) else { return nil }
    var offsets: [Int32] = []
    for _ in 0..<counts.types {
      guard let offset = reader.integer(4), reader.skip(2), abs(offset) < 167 * 3600 else {
        return nil
      }
      offsets.append(Int32(offset))
    }
    guard indices.allSatisfy({ Int($0) < offsets.count }) else { return nil }
    let rest = counts.characters + counts.leap * (timeSize + 4) + counts.standard + counts.universal
    guard reader.skip(rest) else { return nil }
    let transitions = zip(times, indices).map {
      TimeZone.Transition(time: $0, offsetSeconds: offsets[Int($1)])
    }
    return TimeZone(
      name: name, first: offsets[0], transitions: transitions,
      rule: timeSize == 8 ? footer(&reader) : nil)
  }

  private static func footer(_ reader: inout Reader) -> ZoneRule? {
    guard reader.take(1)?.first == 0x0a else { return nil }
    let line = reader.rest.prefix { $0 != 0x0a }
    return ZoneRule(String(decoding: line, as: UTF8.self))
  }

  /// A place in the bytes of a file; nothing beyond their end is given.
  private struct Reader {
    let bytes: [UInt8]
    private var offset = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    var rest: ArraySlice<UInt8> { bytes[offset...] }

    func has(_ count: Int) -> Bool { count <= bytes.count - offset }

    mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
      guard has(count) else { return nil }
      defer { offset += count }
      return bytes[offset..<offset + count]
    }

    mutating func skip(_ count: Int) -> Bool { take(count) != nil }

    /// A signed integer of 4 or 8 bytes, the highest first.
    mutating func integer(_ size: Int) -> Int64? {
      guard let bytes = take(size) else { return nil }
      let value = bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      return size == 4 ? Int64(Int32(truncatingIfNeeded: value)) : Int64(bitPattern: value)
    }
  }
}
