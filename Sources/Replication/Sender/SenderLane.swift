import Cryptography
import DeltaCoding
import FileTree
import Glibc
import Pipelines
import Platform
import TreeComparison

/// One data lane of the sender: takes tasks, reads files, writes records. The body of one thread.
final class SenderLane {
  let root: SourceRoot
  let builder: RecordBuilder
  let files: SenderFileTable
  let state: SenderState
  let timer: StageTimer
  private let tasks: BoundedChannel<SenderTask>
  private var hash: XXH3Stream
  let segments: SegmentCoder
  private let content: ContentHash

  init(
    root: SourceRoot, tasks: BoundedChannel<SenderTask>, builder: RecordBuilder,
    files: SenderFileTable, state: SenderState, keys: SessionKeys, timer: StageTimer
  ) throws {
    self.root = root
    self.tasks = tasks
    self.builder = builder
    self.files = files
    self.state = state
    self.timer = timer
    hash = try XXH3Stream()
    content = try ContentHash()
    segments = try SegmentCoder(builder: builder, state: state, keys: keys)
  }

  func run() throws {
    timer.start()
    defer { timer.stop() }
    while true {
      if let task = try tasks.receiveIfReady() {
        try perform(task)
        continue
      }
      try builder.flush()
      guard let task = try tasks.receive(timer: timer) else { return }
      try perform(task)
    }
  }

  private func perform(_ task: SenderTask) throws {
    switch task {
    case .whole(let request, _, let path): try sendWhole(request, path)
    case .segment(let file, let sums):
      try withSource(file, sums.segment) { source in
        let layout = try SegmentLayout(file: file, segment: sums.segment)
        return try segments.code(file, layout, sums, from: source) { span in
          files.expectSignature(of: file, sums: sums, span: span)
        }
      }
    case .rolling(let file, let sums, let span, let signature):
      try withSource(file, sums.segment) { source in
        let layout = try SegmentLayout(file: file, segment: sums.segment)
        try segments.codeRolling(file, layout, sums, span, signature, from: source)
        return true
      }
    case .resend(let file, let segment):
      try withSource(file, segment) { source in
        try segments.codeLiteral(
          file, try SegmentLayout(file: file, segment: segment), from: source)
        return true
      }
    case .wholeAnew(let file):
      files.remove(file)
      try sendWhole(file.request, file.path)
    case .wholeUnlessEqual(let file, let digest):
      files.remove(file)
      try sendWhole(file.request, file.path, unlessEqual: digest)
    case .finish(let file): try finish(file)
    }
  }

  /// Runs `body` with the open file, or ends the segment when the file is not as it was listed or
  /// cannot be read. `body` gives whether the segment is at its end.
  private func withSource(
    _ file: SenderFile, _ segment: UInt32, _ body: (OpenSource) throws -> Bool
  ) throws {
    var isEnded = true
    switch file.source(in: root) {
    case .failure(let error): try fail(file, segment, error)
    case .success(let source) where source.status.sizeBytes != file.entry.size:
      try root.requireTree("its size has changed since the run began")
      try segments.fail(file, segment: segment, .changed)
    case .success(let source):
      do {
        isEnded = try body(source)
      } catch let error as PlatformError {
        try fail(file, segment, error)
      }
    }
    if isEnded { files.closeSegment() }
  }

  private func fail(_ file: SenderFile, _ segment: UInt32, _ error: PlatformError) throws {
    try root.requireTree(PlatformError.reason(of: error.errno))
    let outcome = outcome(of: error)
    if file.isFirstFailure() { tell(error, file.path, outcome) }
    try segments.fail(file, segment: segment, outcome)
  }

  private func finish(_ file: SenderFile) throws {
    guard case .success(let source) = file.source(in: root) else {
      files.remove(file)
      return try end(file.request, FileEnd(.unreadable))
    }
    let isUnchanged = source.isUnchanged
    // A changed file stays known where the receiver may ask for it whole.
    if isUnchanged || file.isInPlace {
      files.remove(file)
      state.fileDone()
    }
    try end(file.request, FileEnd(source.status, isUnchanged: isUnchanged, hash: 0))
  }

  private func end(_ request: UInt32, _ end: FileEnd) throws {
    try builder.append(.fileEnd, size: 4 + FileEnd.size) { writer in
      writer.put(request)
      end.encode(&writer)
    }
  }

  private func outcome(of error: PlatformError) -> FileEnd.Outcome {
    error.errno == ENOENT || error.errno == ESTALE ? .vanished : .unreadable
  }

  private func tell(_ error: PlatformError, _ path: [UInt8], _ outcome: FileEnd.Outcome) {
    if outcome == .vanished {
      state.warn(path, "vanished before it was sent")
    } else {
      state.walkProblem(.system(error, path: path))
    }
  }

  private func fail(_ request: UInt32, _ path: [UInt8], _ error: PlatformError) throws {
    let outcome = outcome(of: error)
    tell(error, path, outcome)
    try end(request, FileEnd(outcome))
  }

  // MARK: Whole files

  /// `digest` is that of what the receiver has already: the file is only sent when its own is
  /// another.
  private func sendWhole(
    _ request: UInt32, _ path: [UInt8], unlessEqual digest: [UInt8]? = nil
  ) throws {
    switch OpenSource.open(path, in: root) {
    case .failure(let error): try fail(request, path, error)
    case .success(let source):
      do {
        if let digest, try isEqual(source, digest) {
          try end(request, FileEnd(.equal, source.status))
        } else if source.status.sizeBytes <= SenderLane.smallSizeMax {
          try sendSmall(request, source)
        } else {
          try sendLarge(request, source)
        }
      } catch let error as PlatformError {
        try fail(request, path, error)
      }
    }
    state.fileDone()
  }

  /// Whether a file has this digest from its first byte to its last and did not change meanwhile.
  private func isEqual(_ source: OpenSource, _ digest: [UInt8]) throws -> Bool {
    do throws(PlatformError) {
      let found = try content.digest(
        source.descriptor, sizeBytes: source.status.sizeBytes, isSparse: source.status.isSparse,
        each: { _ in builder.activity.step() })
      guard found == digest, source.isUnchanged else { return false }
    } catch {
      if source.isUnchanged { throw error }
      return false
    }
    state.sent(literal: 0, covered: source.status.sizeBytes)
    return true
  }

  /// Files up to this size travel in one frame.
  private static let smallSizeMax: Int64 = 128 << 10

  /// Body: request u32 · end 29 · bytes.
  private func sendSmall(_ request: UInt32, _ source: OpenSource) throws {
    let size = Int(source.status.sizeBytes)
    let head = 4 + FileEnd.size
    var sent = 0
    try builder.append(.file, sizeMax: head + size) { base in
      let content = UnsafeMutableRawBufferPointer(start: base + head, count: size)
      sent = try FileIO.read(source.descriptor, into: content, at: 0)
      let read = UnsafeRawBufferPointer(rebasing: content[..<sent])
      var writer = PointerWriter(base)
      writer.put(request)
      FileEnd(
        source.status, isUnchanged: sent == size && source.isUnchanged, hash: XXH3.hash64(read)
      ).encode(&writer)
      return head + sent
    }
    state.sent(literal: sent, covered: Int64(size))
  }

  private func sendLarge(_ request: UInt32, _ source: OpenSource) throws {
    hash.reset()
    var isComplete = true
    var offset: Int64 = 0
    let size = source.status.sizeBytes
    while offset < size {
      let data = source.nextData(from: offset, end: size)
      state.sent(literal: 0, covered: data.lowerBound - offset)
      offset = data.lowerBound
      while offset < data.upperBound {
        let count = try sendPiece(request, source, at: offset, end: data.upperBound)
        if count == 0 {  // the file has shrunk
          isComplete = false
          offset = size
          break
        }
        offset += Int64(count)
      }
    }
    let last = FileEnd(
      source.status, isUnchanged: isComplete && source.isUnchanged, hash: hash.digest().first)
    try end(request, last)
  }

  /// Body: request u32 · offset u64 · bytes. A piece of zeros is left out: what is not sent is a
  /// hole.
  private func sendPiece(
    _ request: UInt32, _ source: OpenSource, at offset: Int64, end: Int64
  ) throws -> Int {
    let room = try builder.roomLeft(atLeast: (32 << 10) + 12) - 12
    let count = Int(min(Int64(room), end - offset))
    var read = 0
    var isZero = false
    try builder.append(.data, sizeMax: 12 + count) { base in
      let content = UnsafeMutableRawBufferPointer(start: base + 12, count: count)
      read = try FileIO.read(source.descriptor, into: content, at: offset)
      let bytes = UnsafeRawBufferPointer(rebasing: content[..<read])
      isZero = isAllZero(bytes)
      if !isZero { hash.update(bytes) }
      var writer = PointerWriter(base)
      writer.put(request)
      writer.put(offset)
      return isZero ? 12 : 12 + read
    }
    state.sent(literal: isZero ? 0 : read, covered: Int64(read))
    return read
  }
}
