/// Input and output memory for jobs, kept between them. One job at a time.
@safe
package struct DeltaBuffers: ~Copyable, @unchecked Sendable {
  /// Large enough that calls of closures do not show, small enough for the second-level cache.
  package static let defaultSize = 256 << 10

  let input: UnsafeMutableRawBufferPointer
  let output: UnsafeMutableRawBufferPointer

  /// Allocates both buffers; sizes of one byte are legal (and slow).
  package init(inputSize: Int = defaultSize, outputSize: Int = defaultSize) {
    precondition(inputSize > 0 && outputSize > 0, "a job needs room")
    unsafe input = .allocate(byteCount: inputSize, alignment: 64)
    unsafe output = .allocate(byteCount: outputSize, alignment: 64)
  }

  deinit {
    unsafe input.deallocate()
    unsafe output.deallocate()
  }
}

/// Fills the buffer from the front and returns the number of bytes, 0 at the end of the data.
package typealias ReadChunk = (UnsafeMutableRawBufferPointer) throws -> Int

/// Takes bytes that are valid during the call only.
package typealias EmitChunk = (UnsafeRawBufferPointer) throws -> Void
