/// Content that can be read at any place any number of times, such as an open file.
///
/// Calls come from one thread at a time.
package protocol ObjectSource: AnyObject, Sendable {
  var sizeBytes: Int64 { get }

  /// Fills as much of `buffer` as suits it, at least one byte; 0 only at the end of the content.
  func read(
    at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(ObjectStoreError) -> Int

  /// The same content without the rate to which reading this one is held; nil when there is none.
  var unpaced: ObjectBody? { get }
}

extension ObjectSource {
  package var unpaced: ObjectBody? { nil }
}

/// The content of an object on its way into a store; a store may read it more than once.
package struct ObjectBody: Sendable {
  /// The buffer for bodies that are not in memory.
  package static let pieceByteCountMax = 1 << 20

  // Memory pieces are only read, and their owner keeps them alive and unchanged.
  private enum Content: @unchecked Sendable {
    case bytes([UInt8])
    case memory([UnsafeRawBufferPointer], owner: AnyObject)
    case source(any ObjectSource)
  }

  private let content: Content
  package let sizeBytes: Int64

  package init(_ bytes: [UInt8]) {
    content = .bytes(bytes)
    sizeBytes = Int64(bytes.count)
  }

  /// Ranges of memory, one after the other. Nothing is copied: the ranges have to stay as they are
  /// for as long as this value is held, which holds `owner`.
  package init(memory: [UnsafeRawBufferPointer], owner: AnyObject) {
    content = .memory(memory, owner: owner)
    sizeBytes = memory.reduce(0) { $0 + Int64($1.count) }
  }

  /// Content that is read while it is stored; it must not change in size meanwhile.
  package init(_ source: any ObjectSource) {
    content = .source(source)
    sizeBytes = source.sizeBytes
  }

  /// Hands out the whole content in order, in pieces that are valid during the call only.
  ///
  /// - Throws: what `visit` or the source throws; ``ObjectStoreError/bodyEnded(read:expected:)``.
  package func forEachPiece(
    _ visit: (UnsafeRawBufferPointer) throws(ObjectStoreError) -> Void
  ) throws(ObjectStoreError) {
    switch content {
    case .bytes(let bytes):
      let result = bytes.withUnsafeBytes { buffer in
        Result { () throws(ObjectStoreError) in try visit(buffer) }
      }
      try result.get()
    case .memory(let pieces, _):
      for piece in pieces { try visit(piece) }
    case .source(let source):
      try copy(source, visit)
    }
  }

  private func copy(
    _ source: any ObjectSource,
    _ visit: (UnsafeRawBufferPointer) throws(ObjectStoreError) -> Void
  ) throws(ObjectStoreError) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: Int(min(sizeBytes, Int64(ObjectBody.pieceByteCountMax))), alignment: 16)
    defer { buffer.deallocate() }
    var offset: Int64 = 0
    while offset < sizeBytes {
      let wanted = Int(min(sizeBytes - offset, Int64(buffer.count)))
      let count = try source.read(
        at: offset, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
      guard count > 0 else { throw .bodyEnded(read: offset, expected: sizeBytes) }
      try visit(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      offset += Int64(count)
    }
  }

  /// The content for whoever reads it without passing it on.
  var unpaced: ObjectBody {
    if case .source(let source) = content, let unpaced = source.unpaced { return unpaced }
    return self
  }

  /// Whether any number of threads may read at a time.
  var isInMemory: Bool {
    if case .source = content { false } else { true }
  }

  /// Reads from `offset`: at least one byte, 0 only at the end.
  package func read(
    at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(ObjectStoreError) -> Int {
    switch content {
    case .bytes(let bytes):
      return bytes.withUnsafeBytes { ObjectBody.copy([$0], from: offset, into: buffer) }
    case .memory(let pieces, _):
      return ObjectBody.copy(pieces, from: offset, into: buffer)
    case .source(let source):
      return try source.read(at: offset, into: buffer)
    }
  }

  private static func copy(
    _ pieces: [UnsafeRawBufferPointer], from offset: Int64,
    into buffer: UnsafeMutableRawBufferPointer
  ) -> Int {
    var skipped = offset
    var done = 0
    for piece in pieces where done < buffer.count {
      guard skipped < piece.count else {
        skipped -= Int64(piece.count)
        continue
      }
      let count = min(piece.count - Int(skipped), buffer.count - done)
      let part = UnsafeRawBufferPointer(rebasing: piece[Int(skipped)..<(Int(skipped) + count)])
      UnsafeMutableRawBufferPointer(rebasing: buffer[done...]).copyMemory(from: part)
      done += count
      skipped = 0
    }
    return done
  }
}
