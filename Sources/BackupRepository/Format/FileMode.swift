import Glibc

/// What a node stands for. Raw values are the bytes of a compact node in memory, not stored.
package enum NodeType: UInt8, Sendable, CaseIterable {
  case file, directory, symbolicLink, blockDevice, characterDevice, fifo, socket, irregular

  /// The word in a tree.
  package var word: StaticString {
    switch self {
    case .file: "file"
    case .directory: "dir"
    case .symbolicLink: "symlink"
    case .blockDevice: "dev"
    case .characterDevice: "chardev"
    case .fifo: "fifo"
    case .socket: "socket"
    case .irregular: "irregular"
    }
  }

  /// The type that a word in a tree names; nil for words that restic never wrote.
  package init?(word: UnsafeRawBufferPointer) {
    for type in NodeType.allCases where word.count == type.word.utf8CodeUnitCount {
      let letters = UnsafeRawBufferPointer(start: type.word.utf8Start, count: word.count)
      if letters.elementsEqual(word) {
        self = type
        return
      }
    }
    return nil
  }

  package var isDevice: Bool { self == .blockDevice || self == .characterDevice }
}

/// The mode of a node in the bits of Go's `os.FileMode`.
///
/// | bits | meaning |
/// |---|---|
/// | 0…8 | rwxrwxrwx |
/// | 19 | irregular |
/// | 20, 22, 23 | sticky, setgid, setuid |
/// | 21 | character device, together with 26 |
/// | 24, 25, 26, 27 | socket, fifo, device, symbolic link |
/// | 31 | directory |
///
/// Source: the restic repository format, "mode".
package struct FileMode: RawRepresentable, Hashable, Sendable {
  package var rawValue: UInt32

  package init(rawValue: UInt32) { self.rawValue = rawValue }

  private static let permissions: UInt32 = 0o777
  private static let setUser: UInt32 = 1 << 23
  private static let setGroup: UInt32 = 1 << 22
  private static let sticky: UInt32 = 1 << 20

  /// The mode of a node with the permission bits of `st_mode` (0o7777; higher ones are ignored).
  package init(_ type: NodeType, permissions: UInt32) {
    var bits = permissions & FileMode.permissions
    if permissions & 0o4000 != 0 { bits |= FileMode.setUser }
    if permissions & 0o2000 != 0 { bits |= FileMode.setGroup }
    if permissions & 0o1000 != 0 { bits |= FileMode.sticky }
    rawValue = bits | FileMode.typeBits(type)
  }

  /// The mode that `stat` tells as `st_mode`.
  package init(statMode: UInt32) {
    self.init(FileMode.type(ofStatMode: statMode), permissions: statMode)
  }

  /// Permission bits with setuid, setgid and sticky as `chmod` takes them.
  package var permissions: UInt32 {
    var bits = rawValue & FileMode.permissions
    if rawValue & FileMode.setUser != 0 { bits |= 0o4000 }
    if rawValue & FileMode.setGroup != 0 { bits |= 0o2000 }
    if rawValue & FileMode.sticky != 0 { bits |= 0o1000 }
    return bits
  }

  /// `st_mode`, with the type bits; an irregular file has none.
  package var statMode: UInt32 {
    let typeBits: UInt32
    switch type {
    case .file: typeBits = S_IFREG
    case .directory: typeBits = S_IFDIR
    case .symbolicLink: typeBits = S_IFLNK
    case .blockDevice: typeBits = S_IFBLK
    case .characterDevice: typeBits = S_IFCHR
    case .fifo: typeBits = S_IFIFO
    case .socket: typeBits = S_IFSOCK
    case .irregular: typeBits = 0
    }
    return typeBits | permissions
  }

  /// The type that the bits tell; a node tells it as a word as well, which counts.
  package var type: NodeType {
    if rawValue & 1 << 31 != 0 { return .directory }
    if rawValue & 1 << 27 != 0 { return .symbolicLink }
    if rawValue & 1 << 26 != 0 {
      return rawValue & 1 << 21 != 0 ? .characterDevice : .blockDevice
    }
    if rawValue & 1 << 25 != 0 { return .fifo }
    if rawValue & 1 << 24 != 0 { return .socket }
    return rawValue & 1 << 19 != 0 ? .irregular : .file
  }

  private static func typeBits(_ type: NodeType) -> UInt32 {
    switch type {
    case .file: 0
    case .directory: 1 << 31
    case .symbolicLink: 1 << 27
    case .blockDevice: 1 << 26
    case .characterDevice: 1 << 26 | 1 << 21
    case .fifo: 1 << 25
    case .socket: 1 << 24
    case .irregular: 1 << 19
    }
  }

  private static func type(ofStatMode mode: UInt32) -> NodeType {
    switch mode & S_IFMT {
    case S_IFREG: .file
    case S_IFDIR: .directory
    case S_IFLNK: .symbolicLink
    case S_IFBLK: .blockDevice
    case S_IFCHR: .characterDevice
    case S_IFIFO: .fifo
    case S_IFSOCK: .socket
    default: .irregular
    }
  }
}
