import Platform

/// Reads what the same process has put into a spool. The fields stand one behind the other, numbers
/// little-endian, bytes with their count in front.
struct SpooledReader {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

  mutating func integer<Value: FixedWidthInteger>(_: Value.Type) -> Value {
    var value: Value = 0
    for index in 0..<MemoryLayout<Value>.size {
      value |= Value(truncatingIfNeeded: byte()) << Value(8 * index)
    }
    return value
  }

  mutating func bytes() -> [UInt8] {
    let count = Int(integer(UInt32.self))
    defer { rest = rest.dropFirst(count) }
    return Array(rest.prefix(count))
  }
}

/// Writes what ``SpooledReader`` reads.
struct SpooledWriter {
  private(set) var record: [UInt8] = []

  mutating func put<Value: FixedWidthInteger>(_ value: Value) {
    withUnsafeBytes(of: value.littleEndian) { record.append(contentsOf: $0) }
  }

  mutating func put(_ bytes: [UInt8]) {
    put(UInt32(bytes.count))
    record += bytes
  }
}

extension WantedAccess {
  /// For numbers that are not known, as the kernel has it.
  private static let none = UInt32.max

  func put(to writer: inout SpooledWriter) {
    writer.put(userID ?? WantedAccess.none)
    writer.put(groupID ?? WantedAccess.none)
    writer.put(mode)
    writer.put(access)
    writer.put(inherited)
    for flag in [lacksUser, lacksGroup, lacksNames] { writer.put(UInt8(flag ? 1 : 0)) }
    writer.put(UInt8(modified == nil ? 0 : 1))
    writer.put(modified?.seconds ?? 0)
    writer.put(modified?.nanoseconds ?? 0)
  }

  init(spooled reader: inout SpooledReader) {
    let (user, group) = (reader.integer(UInt32.self), reader.integer(UInt32.self))
    userID = user == WantedAccess.none ? nil : user
    groupID = group == WantedAccess.none ? nil : group
    mode = reader.integer(UInt16.self)
    access = reader.bytes()
    inherited = reader.bytes()
    lacksUser = reader.byte() == 1
    lacksGroup = reader.byte() == 1
    lacksNames = reader.byte() == 1
    let hasTime = reader.byte() == 1
    let time = WallTime(
      seconds: reader.integer(Int64.self), nanoseconds: reader.integer(Int32.self))
    modified = hasTime ? time : nil
  }
}
