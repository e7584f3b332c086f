import Cryptography
import FileTree
import Glibc
import Platform

/// What a directory of the target holds already.
struct ExistingDirectory {
  /// Names of entries, without unfinished files of earlier runs.
  private(set) var names: [[UInt8]] = []
  /// Names of unfinished files.
  private(set) var leftovers: [[UInt8]] = []

  /// Reads the names by `getdents64`.
  init(_ root: TreeRoot, _ path: [UInt8]) throws(TreeError) {
    let directory = try root.openDirectory(path)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 << 10, alignment: 8)
    defer { buffer.deallocate() }
    while true {
      let count = FileSystem.readDirectory(directory.raw, into: buffer)
      if count < 0 { throw .system(.last("getdents64"), path: path) }
      if count == 0 { return }
      var offset = 0
      while offset < count {
        // struct linux_dirent64: u64 inode, i64 offset, u16 record length, u8 type, name
        let length = Int(buffer.loadUnaligned(fromByteOffset: offset + 16, as: UInt16.self))
        let start = buffer.baseAddress.unsafelyUnwrapped + offset + 19
        offset += length
        take(
          UnsafeRawBufferPointer(
            start: start, count: strlen(start.assumingMemoryBound(to: CChar.self))))
      }
    }
  }

  private mutating func take(_ name: UnsafeRawBufferPointer) {
    if name.elementsEqual([0x2e]) || name.elementsEqual([0x2e, 0x2e]) { return }
    if TemporaryName.matches(name), !TemporaryName.isUndo(name) {
      leftovers.append([UInt8](name))
    } else {
      names.append([UInt8](name))
    }
  }
}

/// The temporary name of a file that is being restored: the same in every run, so that a run finds
/// what an earlier one has left.
enum RestoreTemporary {
  static func number(of name: UnsafeRawBufferPointer) -> UInt64 { XXH3.hash64(name) }
  static func name(_ number: UInt64) -> String { TemporaryName.make(number) }
}
