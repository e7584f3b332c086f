/// The body of a request, of known size; sent again from any place when a connection breaks.
@safe package struct HTTPBody: @unchecked Sendable {
  /// Reads from `offset` on: at least one byte, 0 only at the end. Called by one thread at a time.
  package typealias Pull =
    @Sendable (_ offset: Int64, _ buffer: UnsafeMutableRawBufferPointer) throws(HTTPError) -> Int

  // Memory pieces are only read, and their owner keeps them alive and unchanged.
  @safe enum Content {
    case bytes([UInt8])
    case memory([UnsafeRawBufferPointer], owner: AnyObject)
    case pull(Pull)
  }

  let content: Content
  package let sizeBytes: Int64

  package init(_ bytes: [UInt8]) {
    content = .bytes(bytes)
    sizeBytes = Int64(bytes.count)
  }

  /// Ranges of memory, one after the other; nothing is copied, and `owner` is held.
  package init(memory: [UnsafeRawBufferPointer], owner: AnyObject) {
    unsafe content = .memory(memory, owner: owner)
    sizeBytes = unsafe memory.reduce(0) { $0 + Int64($1.count) }
  }

  /// Content that is read while it goes out; after a broken connection `pull` is asked for earlier
  /// offsets again.
  package init(sizeBytes: Int64, pull: @escaping Pull) {
    precondition(sizeBytes >= 0)
    unsafe content = .pull(pull)
    self.sizeBytes = sizeBytes
  }

  /// The whole content, when it lies in one piece of memory; valid as long as the body is held.
  var memory: UnsafeRawBufferPointer? {
    guard case .memory(let pieces, _) = content, unsafe pieces.count == 1 else { return nil }
    return unsafe pieces[0]
  }

  /// Hands out the whole content in order, in pieces that are valid during the call only, for
  /// digests over it.
  /// - Throws: what reading throws; ``HTTPError/bodyEnded(read:expected:)``.
  package func forEachPiece(_ visit: (UnsafeRawBufferPointer) -> Void) throws(HTTPError) {
    switch content {
    case .bytes(let bytes): unsafe bytes.withUnsafeBytes { unsafe visit($0) }
    case .memory(let pieces, _):
      unsafe pieces.forEach { unsafe visit($0) }
    case .pull:
      let buffer = UnsafeMutableRawBufferPointer.allocate(
        byteCount: Int(min(sizeBytes, Int64(HTTPBody.pieceByteCountMax))), alignment: 16)
      defer { unsafe buffer.deallocate() }
      var cursor = HTTPBodyCursor(self)
      while cursor.offset < sizeBytes {
        let count = try unsafe cursor.read(into: buffer)
        unsafe visit(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      }
    }
  }

  private static let pieceByteCountMax = 1 << 20
}

/// A place in a body. One owner, one thread.
@safe struct HTTPBodyCursor {
  private let body: HTTPBody
  private(set) var offset: Int64 = 0
  // Where `offset` is in the pieces of memory.
  private var piece = 0
  private var pieceOffset = 0

  init(_ body: HTTPBody) { self.body = body }

  mutating func seek(to offset: Int64) -> Bool {
    guard offset >= 0, offset <= body.sizeBytes else { return false }
    self.offset = offset
    guard case .memory(let pieces, _) = body.content else { return true }
    (piece, pieceOffset) = (0, 0)
    var rest = offset
    while unsafe piece < pieces.count, unsafe rest >= pieces[piece].count {
      rest -= unsafe Int64(pieces[piece].count)
      piece += 1
    }
    pieceOffset = Int(rest)
    return true
  }

  /// Fills as much of `buffer` as suits, at least one byte; 0 at the end of the body.
  /// - Throws: ``HTTPError/bodyEnded(read:expected:)`` when the content is shorter than it said.
  mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(HTTPError) -> Int {
    let wanted = Int(min(Int64(buffer.count), body.sizeBytes - offset))
    guard wanted > 0 else { return 0 }
    let room = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])
    let count: Int
    switch body.content {
    case .bytes(let bytes):
      let start = Int(offset)
      unsafe room.copyBytes(from: bytes[start..<(start + wanted)])
      count = wanted
    case .memory(let pieces, _): count = unsafe copy(pieces, into: room)
    case .pull(let pull): count = try unsafe pull(offset, room)
    }
    guard count > 0 else { throw .bodyEnded(read: offset, expected: body.sizeBytes) }
    offset += Int64(count)
    return count
  }

  private mutating func copy(
    _ pieces: [UnsafeRawBufferPointer], into buffer: UnsafeMutableRawBufferPointer
  ) -> Int {
    var done = 0
    while done < buffer.count, unsafe piece < pieces.count {
      let left = unsafe pieces[piece].count - pieceOffset
      let count = min(left, buffer.count - done)
      if count > 0 {
        let part = unsafe UnsafeRawBufferPointer(
          rebasing: pieces[piece][pieceOffset..<(pieceOffset + count)])
        unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[done...]).copyMemory(from: part)
      }
      done += count
      pieceOffset += count
      if count == left { (piece, pieceOffset) = (piece + 1, 0) }
    }
    return done
  }
}
