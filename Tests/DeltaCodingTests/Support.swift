import DeltaCoding

/// A small seeded generator: the same seed gives the same case.
struct Generator {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 &+ 1 }

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }

  mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(max(1, limit))) }

  mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next() >> 24) }
  }

  /// Overwrites, insertions, deletions and a moved piece.
  mutating func edited(_ bytes: [UInt8]) -> [UInt8] {
    var result = bytes
    for _ in 0..<below(6) {
      let position = below(result.count + 1)
      let length = below(1 + result.count / 4)
      switch below(4) {
      case 0: result.insert(contentsOf: self.bytes(length), at: position)
      case 1: result.removeSubrange(position..<min(result.count, position + length))
      case 2:
        for index in position..<min(result.count, position + 10) { result[index] ^= 0x5a }
      default:
        let piece = Array(result[position..<min(result.count, position + length)])
        result.insert(contentsOf: piece, at: below(result.count + 1))
      }
    }
    return result
  }
}

/// Reads an array in pieces as large as the buffer.
func reader(_ bytes: [UInt8]) -> ReadChunk {
  var offset = 0
  return { room in
    let count = min(room.count, bytes.count - offset)
    room.copyBytes(from: bytes[offset..<offset + count])
    offset += count
    return count
  }
}

func makeSignature(
  _ basis: [UInt8], blockLength: Int, strongLength: Int = 8, buffers: borrowing DeltaBuffers
) throws -> [UInt8] {
  var output: [UInt8] = []
  try Signature.make(
    blockLength: blockLength, strongLength: strongLength, buffers: buffers,
    readChunk: reader(basis), emit: { output += $0 })
  return output
}

func makeDelta(
  _ signature: [UInt8], _ data: [UInt8], buffers: borrowing DeltaBuffers
) throws -> [UInt8] {
  let parsed = try parse(signature, buffers: buffers)
  var output: [UInt8] = []
  try Delta.make(parsed, buffers: buffers, readChunk: reader(data), emit: { output += $0 })
  return output
}

func parse(
  _ signature: [UInt8], entryLimit: Int = Signature.defaultEntryLimit,
  buffers: borrowing DeltaBuffers
) throws -> Signature {
  // The closure of withUnsafeBytes cannot give out a noncopyable value.
  let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: signature.count, alignment: 1)
  defer { copy.deallocate() }
  copy.copyBytes(from: signature)
  return try Signature(parsing: .init(copy), entryLimit: entryLimit, buffers: buffers)
}

func applyDelta(
  _ delta: [UInt8], to basis: [UInt8], limit: Int, buffers: borrowing DeltaBuffers
) throws -> [UInt8] {
  var output: [UInt8] = []
  let count = try Delta.apply(
    basisSize: UInt64(basis.count), outputSizeMax: UInt64(limit), buffers: buffers,
    readBasis: { offset, room in
      let start = Int(offset)
      let count = min(room.count, basis.count - start)
      room.copyBytes(from: basis[start..<start + count])
      return count
    }, feedDelta: reader(delta), emit: { output += $0 })
  guard count == UInt64(output.count) else { throw WrongCount() }
  return output
}

struct WrongCount: Error {}
