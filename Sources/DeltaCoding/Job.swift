import CLibrsync
import Glibc

/// One `rs_job_t`, run between a reader and a writer. Frees the job with itself.
@safe
struct Job: ~Copyable {
  private let job: OpaquePointer

  /// Takes over a job that has just been begun; nil when the library had no memory.
  init(_ job: OpaquePointer?) throws(DeltaError) {
    _ = quietLibrary
    guard let job = unsafe job else { throw .library(reason: "no memory") }
    unsafe self.job = unsafe job
  }

  deinit {
    _ = unsafe rs_job_free(job)
  }

  /// Runs the job to its end.
  ///
  /// - Returns: whether the job used all of its input up to the reader's end.
  /// - Throws: errors of the closures, and `failure` of what the library reports.
  func run(
    _ buffers: borrowing DeltaBuffers, read: ReadChunk, emit: EmitChunk,
    failure: (rs_result) -> any Error
  ) throws -> Bool {
    var flow = Flow(buffers)
    while true {
      if !flow.ended, flow.wantsInput { try unsafe flow.refill(read) }
      let before = flow.position
      let result = unsafe rs_job_iter(job, &flow.buffers)
      if result == RS_DONE {
        try unsafe flow.flush(emit)
        return try unsafe flow.isExhausted(read)
      }
      guard result == RS_BLOCKED else { throw failure(result) }
      let stuck = flow.position == before
      if stuck || flow.isFull {
        guard try unsafe flow.flush(emit) || flow.canRefill else {
          throw DeltaError.library(reason: "a job made no progress")
        }
      }
      flow.wantsInput = stuck || flow.isEmpty
    }
  }
}

/// The two buffers of a running job and how far they are used.
@safe
private struct Flow {
  var buffers = unsafe rs_buffers_t()
  var wantsInput = true
  private let input: UnsafeMutableRawBufferPointer
  private let output: UnsafeMutableRawBufferPointer

  init(_ memory: borrowing DeltaBuffers) {
    unsafe input = memory.input
    unsafe output = unsafe memory.output
    unsafe buffers.next_in = input.baseAddress?.assumingMemoryBound(to: CChar.self)
    resetOutput()
  }

  var ended: Bool { unsafe buffers.eof_in != 0 }
  var isEmpty: Bool { unsafe buffers.avail_in == 0 }
  var isFull: Bool { unsafe buffers.avail_out == 0 }
  var position: (Int, Int, Bool) { unsafe (buffers.avail_in, buffers.avail_out, ended) }
  var canRefill: Bool { unsafe !ended && buffers.avail_in < input.count }

  /// Moves what the job has left to the front and reads behind it.
  mutating func refill(_ read: ReadChunk) throws {
    guard let base = unsafe input.baseAddress else { return }
    let left = unsafe buffers.avail_in
    if left > 0, let next = unsafe buffers.next_in { unsafe memmove(base, next, left) }
    unsafe buffers.next_in = base.assumingMemoryBound(to: CChar.self)
    guard unsafe left < input.count else { return }
    let room = unsafe UnsafeMutableRawBufferPointer(rebasing: input[left...])
    let count = try unsafe read(room)
    precondition(count >= 0 && count <= room.count, "a reader stays within its buffer")
    unsafe buffers.avail_in = left + count
    if count == 0 { unsafe buffers.eof_in = 1 }
  }

  /// Hands out what the job has written; false when that was nothing.
  @discardableResult
  mutating func flush(_ emit: EmitChunk) throws -> Bool {
    let count = unsafe output.count - buffers.avail_out
    guard count > 0 else { return false }
    try unsafe emit(UnsafeRawBufferPointer(rebasing: output[..<count]))
    resetOutput()
    return true
  }

  /// Whether nothing is left in the buffer and the reader has nothing more.
  mutating func isExhausted(_ read: ReadChunk) throws -> Bool {
    guard isEmpty else { return false }
    if !ended { try unsafe refill(read) }
    return ended
  }

  private mutating func resetOutput() {
    unsafe buffers.next_out = output.baseAddress?.assumingMemoryBound(to: CChar.self)
    unsafe buffers.avail_out = output.count
  }
}

/// The text of a result code.
func reason(of result: rs_result) -> String {
  guard let text = unsafe rs_strerror(result) else { return "result \(result.rawValue)" }
  return unsafe String(cString: text)
}

/// The version of the linked librsync, such as `2.3.2`.
package var librsyncVersion: String {
  guard let text = unsafe drover_librsync_version() else { return "?" }
  return unsafe String(cString: text)
}

/// Turns off librsync's messages on standard error, once for the process: every failure is thrown.
private let quietLibrary: Void = rs_trace_to(nil)
