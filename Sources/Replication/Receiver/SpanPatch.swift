import DeltaCoding
import FileTree
import Glibc
import Platform

/// Collects the librsync delta of one span and applies it when it is whole. A delta longer than a
/// buffer goes to an unnamed file of the destination meanwhile.
final class SpanPatch {
  let start: Int64
  let end: Int64
  private let basis: Int32
  private let window: Range<Int64>
  private let scratch: ScratchFile

  init(basis: Int32, window: Range<Int64>, start: Int64, end: Int64, scratch: ScratchFile) {
    self.basis = basis
    self.window = window
    self.start = start
    self.end = end
    self.scratch = scratch
  }

  /// Hostile lengths end here: a delta is at most its span and an eighth for its commands.
  private var sizeMax: Int64 { (end - start) + (end - start) / 8 + 4096 }

  func feed(_ bytes: UnsafeRawBufferPointer) throws {
    guard scratch.count + Int64(bytes.count) <= sizeMax else {
      throw ReplicationError.violation("a delta longer than its data")
    }
    try scratch.append(bytes)
  }

  /// Gives the span's bytes in order. Everything is read from the basis before `emit` gets the
  /// first byte when `isInPlace`, since `emit` overwrites the basis then.
  func apply(
    buffers: borrowing DeltaBuffers, isInPlace: Bool,
    _ emit: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let size = UInt64(end - start)
    let made: UInt64
    if isInPlace {
      let result = try scratch.sibling()
      made = try run(buffers, size) { try result.append($0) }
      try result.readAll(emit)
    } else {
      made = try run(buffers, size, emit)
    }
    guard made == size else { throw ReplicationError.violation("a rolled span that is cut short") }
  }

  private func run(
    _ buffers: borrowing DeltaBuffers, _ size: UInt64,
    _ emit: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> UInt64 {
    var place: Int64 = 0
    let (basis, window, scratch) = (basis, window, scratch)
    return try Delta.apply(
      basisSize: UInt64(window.upperBound - window.lowerBound), outputSizeMax: size,
      buffers: buffers,
      readBasis: { offset, target in
        try FileIO.read(basis, into: target, at: window.lowerBound + Int64(offset))
      },
      feedDelta: { target in
        let count = try scratch.read(into: target, at: place)
        place += Int64(count)
        return count
      },
      emit: emit)
  }
}

/// Bytes on their way that may be more than memory should hold.
final class ScratchFile {
  private let root: TreeScratch
  private var memory: [UInt8] = []
  private var file: Descriptor?
  private(set) var count: Int64 = 0
  private static let memoryMax = 256 << 10

  init(in root: TreeScratch) { self.root = root }

  /// Another one in the same place.
  func sibling() throws -> ScratchFile { ScratchFile(in: root) }

  func append(_ bytes: UnsafeRawBufferPointer) throws {
    if file == nil, memory.count + bytes.count <= ScratchFile.memoryMax {
      memory.append(contentsOf: bytes)
      count += Int64(bytes.count)
      return
    }
    if file == nil {
      let made = try root.makeFile()
      try FileIO.write(made.raw, memory, at: 0)
      file = consume made
      memory = []
    }
    try FileIO.write(raw, bytes, at: count)
    count += Int64(bytes.count)
  }

  private var raw: Int32 { file?.raw ?? -1 }

  func read(into target: UnsafeMutableRawBufferPointer, at offset: Int64) throws -> Int {
    let size = Int(min(Int64(target.count), count - offset))
    guard size > 0 else { return 0 }
    let piece = UnsafeMutableRawBufferPointer(rebasing: target[..<size])
    if file != nil { return try FileIO.read(raw, into: piece, at: offset) }
    memory.withUnsafeBytes {
      piece.copyMemory(
        from: UnsafeRawBufferPointer(rebasing: $0[Int(offset)..<Int(offset) + size]))
    }
    return size
  }

  func readAll(_ emit: (UnsafeRawBufferPointer) throws -> Void) throws {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 4096)
    defer { buffer.deallocate() }
    var offset: Int64 = 0
    while offset < count {
      let size = try read(into: buffer, at: offset)
      try emit(UnsafeRawBufferPointer(rebasing: buffer[..<size]))
      offset += Int64(size)
    }
  }
}

/// Where scratch files are made: a directory of the destination's file system.
final class TreeScratch: Sendable {
  private let directory: SharedDescriptor

  init(directory: SharedDescriptor) { self.directory = directory }

  func makeFile() throws -> Descriptor {
    var raw = FileSystem.openUnnamed(in: directory.raw, mode: 0o600)
    if raw < 0 {
      let name = TemporaryName.make(SecureRandom.integer())
      raw = openat(directory.raw, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
      guard raw >= 0 else { throw ReplicationError.file(.last("openat"), path: Array(name.utf8)) }
      _ = unlinkat(directory.raw, name, 0)
    }
    return Descriptor(owning: raw)
  }
}
