import FileTree
import Glibc
import Platform

/// Names of users and groups, each looked up once. Confined to one thread.
struct AccountNames {
  private var users: [UInt32: [UInt8]] = [:]
  private var groups: [UInt32: [UInt8]] = [:]

  /// Empty for a user without a name.
  mutating func user(_ id: UInt32) -> [UInt8] {
    if let name = users[id] { return name }
    let name = AccountNames.userName(id)
    users[id] = name
    return name
  }

  /// Empty for a group without a name.
  mutating func group(_ id: UInt32) -> [UInt8] {
    if let name = groups[id] { return name }
    let name = AccountNames.groupName(id)
    groups[id] = name
    return name
  }

  /// Bytes for one account's record; one that is longer (a group of thousands) gets more.
  private static let recordByteCount = 4096
  private static let recordByteCountMax = 4 << 20

  private static func userName(_ id: UInt32) -> [UInt8] {
    look { buffer, count in
      var record = passwd()
      var found: UnsafeMutablePointer<passwd>?
      let code = getpwuid_r(id, &record, buffer, count, &found)
      return (code, found == nil ? nil : record.pw_name)
    }
  }

  private static func groupName(_ id: UInt32) -> [UInt8] {
    look { buffer, count in
      var record = group_t()
      var found: UnsafeMutablePointer<group_t>?
      let code = getgrgid_r(id, &record, buffer, count, &found)
      return (code, found == nil ? nil : record.gr_name)
    }
  }

  private static func look(
    _ query: (UnsafeMutablePointer<CChar>, Int) -> (Int32, UnsafeMutablePointer<CChar>?)
  ) -> [UInt8] {
    var count = recordByteCount
    while count <= recordByteCountMax {
      let buffer = UnsafeMutablePointer<CChar>.allocate(capacity: count)
      defer { buffer.deallocate() }
      let (code, name) = query(buffer, count)
      if code == ERANGE {
        count *= 4
        continue
      }
      guard let name else { return [] }
      return Array(UnsafeRawBufferPointer(start: name, count: strlen(name)))
    }
    return []
  }
}

private typealias group_t = Glibc.group

/// Reads extended attributes in the order in which the system lists them, as restic keeps them;
/// ACLs are among them. Confined to one thread.
final class AttributeCollector {
  private static let nameByteCountMax = 64 << 10
  private let names = UnsafeMutableRawBufferPointer.allocate(
    byteCount: AttributeCollector.nameByteCountMax, alignment: 8)
  private let value = UnsafeMutableRawBufferPointer.allocate(
    // The kernel's limit of a value.
    byteCount: 64 << 10, alignment: 8)
  private var block: [UInt8] = []

  deinit {
    names.deallocate()
    value.deallocate()
  }

  /// Appends the attributes of `path`, which is not followed, to an arena. A file system without
  /// attributes has none; those that may not be read or have just been removed are left out.
  ///
  /// Gives the error number when the list cannot be had.
  func collect(
    _ path: UnsafePointer<CChar>, into arena: inout ByteArena, _ slice: inout ArenaSlice
  ) -> Int32 {
    let count = ExtendedAttributes.list(path, into: names)
    if count == 0 { return 0 }
    if count < 0 { return errno == EOPNOTSUPP || errno == ENOSYS ? 0 : errno }
    block.removeAll(keepingCapacity: true)
    var start = 0
    for index in 0..<count where names[index] == 0 {
      let name = UnsafeRawBufferPointer(rebasing: names[start..<index])
      start = index + 1
      guard let cName = name.baseAddress?.assumingMemoryBound(to: CChar.self) else { continue }
      let length = ExtendedAttributes.get(path, cName, into: value)
      guard length >= 0 else { continue }
      // Both are within the kernel's limits, so that they fit.
      _ = NodeAttributes.append(
        name: name, value: UnsafeRawBufferPointer(rebasing: value[..<length]), to: &block)
    }
    guard !block.isEmpty else { return 0 }
    let offset = block.withUnsafeBytes { arena.append($0) }
    slice = ArenaSlice(offset: offset, count: UInt32(block.count))
    return 0
  }
}
