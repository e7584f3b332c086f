import CLibrsync

/// Makes and applies librsync deltas.
package enum Delta {
  /// Reads `into.count` bytes of the basis at an offset, or fewer; 0 only at its end.
  package typealias ReadBasis = (
    _ offset: UInt64, _ into: UnsafeMutableRawBufferPointer
  ) throws -> Int

  /// Computes the delta that turns the basis of `signature` into what `readChunk` yields.
  ///
  /// Blocking, on the calling thread; 0.7 GB/s where data matches, slower where it does not.
  /// - Throws: `DeltaError.library`, and errors of the closures unchanged.
  package static func make(
    _ signature: borrowing Signature, buffers: borrowing DeltaBuffers,
    readChunk: ReadChunk, emit: EmitChunk
  ) throws {
    let job = try unsafe Job(rs_delta_begin(signature.count > 0 ? signature.sumset : nil))
    _ = try unsafe job.run(buffers, read: readChunk, emit: emit) {
      DeltaError.library(reason: reason(of: $0))
    }
  }

  /// Rebuilds data from a basis and a delta of the other side, which is not trusted.
  ///
  /// Copies outside the first `basisSize` bytes are refused, at most `outputSizeMax` bytes are
  /// handed out, literals are streamed through the buffers whatever length they announce, and the
  /// delta must end where its feed ends. What is rebuilt is not proved by this: the caller's tag
  /// does that. Blocking, on the calling thread, at the speed of memory.
  /// - Returns: the number of bytes handed out.
  /// - Throws: `DeltaError.damaged`, `.copyOutsideBasis`, `.outputTooLarge`, `.basisEnded`,
  ///   `.library`, and errors of the closures unchanged.
  @discardableResult
  package static func apply(
    basisSize: UInt64, outputSizeMax: UInt64, buffers: borrowing DeltaBuffers,
    readBasis: ReadBasis, feedDelta: ReadChunk, emit: EmitChunk
  ) throws -> UInt64 {
    try unsafe withoutActuallyEscaping(readBasis) { readBasis in
      let basis = unsafe Basis(size: basisSize, read: readBasis)
      var total: UInt64 = 0
      let ended = try withExtendedLifetime(basis) {
        let opaque = unsafe Unmanaged.passUnretained(basis).toOpaque()
        let job = try unsafe Job(rs_patch_begin(copyFromBasis, opaque))
        return try unsafe job.run(buffers, read: feedDelta) { bytes in
          total += UInt64(bytes.count)
          guard total <= outputSizeMax else {
            throw DeltaError.outputTooLarge(limit: outputSizeMax)
          }
          try unsafe emit(bytes)
        } failure: { result in
          if let failure = basis.failure { return failure }
          guard result != RS_MEM_ERROR else { return DeltaError.library(reason: "no memory") }
          return DeltaError.damaged(reason: reason(of: result))
        }
      }
      guard ended else { throw DeltaError.damaged(reason: "bytes follow its end") }
      return total
    }
  }
}

/// What the copy callback needs, and the error that it cannot throw through C.
@safe
private final class Basis {
  let size: UInt64
  let read: Delta.ReadBasis
  var failure: (any Error)?

  init(size: UInt64, read: @escaping Delta.ReadBasis) {
    self.size = size
    unsafe self.read = unsafe read
  }

  /// Fills the whole buffer from `position`.
  func copy(from position: UInt64, into target: UnsafeMutableRawBufferPointer) throws {
    let count = UInt64(target.count)
    guard position <= size, count <= size - position else {
      throw DeltaError.copyOutsideBasis(offset: position, length: count, basisSize: size)
    }
    var done = 0
    while done < target.count {
      let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: target[done...])
      let piece = try unsafe read(position + UInt64(done), rest)
      precondition(piece >= 0 && piece <= rest.count, "a reader stays within its buffer")
      guard piece > 0 else { throw DeltaError.basisEnded(offset: position + UInt64(done)) }
      done += piece
    }
  }
}

/// `rs_copy_cb`: fills the library's buffer, which is the job's output buffer.
private func copyFromBasis(
  _ opaque: UnsafeMutableRawPointer?, _ position: rs_long_t, _ length: UnsafeMutablePointer<Int>?,
  _ buffer: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> rs_result {
  guard let opaque = unsafe opaque, let length = unsafe length, let buffer = unsafe buffer,
    let target = unsafe buffer.pointee
  else {
    return RS_INTERNAL_ERROR
  }
  let basis = unsafe Unmanaged<Basis>.fromOpaque(opaque).takeUnretainedValue()
  guard let position = UInt64(exactly: position), unsafe length.pointee >= 0 else {
    return RS_CORRUPT
  }
  do {
    let room = unsafe UnsafeMutableRawBufferPointer(start: target, count: length.pointee)
    try unsafe basis.copy(from: position, into: room)
    return RS_DONE
  } catch {
    basis.failure = error
    return RS_IO_ERROR
  }
}
