import Chunking
import FileTree
import Glibc
import Platform

/// Reading files and storing what is in them.
extension BackupWorker {
  /// Bytes that are read at once behind the first 512 KiB of a chunk: small enough for the cache,
  /// because they are searched for a cut right after.
  private static let blockByteCount = 256 << 10
  /// How far the system is asked to read ahead.
  private static let readAheadByteCount = 8 << 20

  /// Stores files of a directory that may have changed.
  func storeFiles(of directory: SourceDirectory, _ range: Range<Int>) throws(RepositoryError) {
    var done = 0
    for position in range {
      if schedule.hasFailed { return }
      let index = Int(directory.work[position])
      if try storeFile(directory, index) { done += 1 }
    }
    if schedule.complete(directory, done) { try finish(directory) }
  }

  /// Stores one file; false when others may still be working on its chunks, and see to the rest.
  private func storeFile(
    _ directory: SourceDirectory, _ index: Int
  ) throws(RepositoryError) -> Bool {
    let entry = directory.entries.baseAddress.unsafelyUnwrapped + index
    let source: SourceFile
    let count: Int
    do throws(PlatformError) { source = try open(directory, index, entry) } catch {
      omit(directory, index, error)
      return true
    }
    defer { source.close() }
    do throws(PlatformError) { count = try source.read(into: small) } catch {
      omit(directory, index, error)
      return true
    }
    if count == small.count {
      try storeLarge(source, directory, index)
      return false
    }
    entry.pointee.size = Int64(count)
    if count == 0 {
      if options.stream != nil {
        throw .refused(
          reason: "standard input has no data", hint: "Check the command that writes them.")
      }
      entry.pointee.content = .empty
      return true
    }
    entry.pointee.blob = try session.deposit.store(
      UnsafeRawBufferPointer(rebasing: small[..<count]), .data, codec, &tally)
    entry.pointee.content = .one
    return true
  }

  private func omit(_ directory: SourceDirectory, _ index: Int, _ error: PlatformError) {
    directory.entries[index].isOmitted = true
    if error.errno == ENOENT {
      tally.vanishedCount += 1
    } else {
      report(directory.path(of: index), error)
    }
  }

  /// Opens a file, checks that it is one, and takes its facts anew.
  private func open(
    _ directory: SourceDirectory, _ index: Int, _ entry: UnsafeMutablePointer<SourceEntry>
  ) throws(PlatformError) -> SourceFile {
    if let stream = options.stream {
      return SourceFile(borrowing: stream.descriptor, isCancelled: options.isCancelled)
    }
    let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
    let raw: Int32
    if let above = directory.descriptor, directory.targets.isEmpty {
      let name = directory.arena.cString(at: entry.pointee.name.offset)
      raw = openFile { openat(above.raw, name, flags | $0) }
    } else {
      raw = PathText.withCString(directory.path(of: index)) { path in
        openFile { Glibc.open(path, flags | $0) }
      }
    }
    guard raw >= 0 else { throw .last("open", printable(directory.path(of: index))) }
    let source = SourceFile(owning: raw)
    var status = stat()
    let code = fstat(raw, &status) == 0 ? 0 : errno
    guard code == 0, status.st_mode & S_IFMT == S_IFREG else {
      source.close()
      // ESTALE: something else has the name by now.
      throw PlatformError(
        "fstat", printable(directory.path(of: index)), errno: code == 0 ? ESTALE : code)
    }
    entry.pointee.take(status)
    if status.st_size > small.count { FileSystem.adviseSequential(raw) }
    return source
  }

  /// Opens without changing the time of last access where that is permitted.
  private func openFile(_ open: (Int32) -> Int32) -> Int32 {
    let raw = retryingOnInterrupt { open(FileSystem.openNoAccessTime) }
    if raw >= 0 || errno != EPERM { return raw }
    return retryingOnInterrupt { open(0) }
  }

  // MARK: Large files

  /// Cuts a file of which ``small`` holds the first bytes, and gives its chunks to all threads.
  private func storeLarge(
    _ source: SourceFile, _ directory: SourceDirectory, _ index: Int
  ) throws(RepositoryError) {
    let file = LargeFile(directory, index)
    // Bytes at the start of `small` that belong to the next chunk.
    var carried = small.count
    var isAtEnd = false
    var isBroken = false
    while !isAtEnd || carried > 0 {
      guard let buffer = try takeBuffer() else { return }
      buffer.count = 0
      let length: Int
      do throws(PlatformError) {
        length = try readChunk(source, into: buffer, &carried, &isAtEnd)
      } catch {
        schedule.giveBack(buffer)
        omit(directory, index, error)
        isBroken = true
        break
      }
      guard length > 0 else {
        schedule.giveBack(buffer)
        break
      }
      carried = buffer.count - length
      if carried > 0 {
        small.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer.filled[length...]))
      }
      buffer.count = length
      schedule.submit(FileChunk(file: file, number: file.addChunk(length), buffer: buffer))
      if schedule.hasFailed { break }
    }
    _ = cutter.finish()
    if file.finishReading(isBroken: isBroken) { try finishLarge(file) }
  }

  /// A buffer for the next chunk; works on chunks while there is none. Nil after a failure.
  private func takeBuffer() throws(RepositoryError) -> ChunkBuffer? {
    while let next = schedule.takeBuffer() {
      if let buffer = next.buffer { return buffer }
      if let chunk = next.chunk { try store(chunk) }
    }
    _ = cutter.finish()
    return nil
  }

  /// Reads up to the end of a chunk and some bytes more; gives the chunk's length, 0 at the end.
  private func readChunk(
    _ source: SourceFile, into buffer: ChunkBuffer, _ carried: inout Int, _ isAtEnd: inout Bool
  ) throws(PlatformError) -> Int {
    buffer.bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: small[..<carried]))
    buffer.count = carried
    carried = 0
    var searched = 0
    while true {
      if searched < buffer.count {
        let block = UnsafeRawBufferPointer(rebasing: buffer.filled[searched...])
        if let cut = cutter.advance(block) { return searched + cut }
        searched = buffer.count
      }
      if isAtEnd { return cutter.finish() }
      let wanted = max(ChunkLimits.byteCountMin - buffer.count, BackupWorker.blockByteCount)
      let room = UnsafeMutableRawBufferPointer(
        rebasing: buffer.bytes[buffer.count..<min(buffer.count + wanted, buffer.bytes.count)])
      source.readAhead(BackupWorker.readAheadByteCount)
      let count = try source.read(into: room)
      isAtEnd = count < room.count
      buffer.count += count
    }
  }

  /// Stores a chunk of a large file, of this or another thread.
  func store(_ chunk: FileChunk) throws(RepositoryError) {
    let blob = try session.deposit.store(chunk.buffer.filled, .data, codec, &tally)
    schedule.giveBack(chunk.buffer)
    if chunk.file.finishChunk(chunk.number, blob) { try finishLarge(chunk.file) }
  }

  private func finishLarge(_ file: LargeFile) throws(RepositoryError) {
    file.fillEntry()
    if schedule.complete(file.directory, 1) { try finish(file.directory) }
  }
}

/// An open file or stream that is read from its start to its end, and closed by its holder.
struct SourceFile {
  /// How long a read of a stream may take to notice a cancellation.
  private static let pollMilliseconds: Int32 = 200

  private let raw: Int32
  private let isOwned: Bool
  private let isCancelled: @Sendable () -> Bool

  init(owning raw: Int32) {
    self.raw = raw
    isOwned = true
    isCancelled = { false }
  }

  /// A stream, whose next bytes may be long in coming.
  init(borrowing raw: Int32, isCancelled: @escaping @Sendable () -> Bool) {
    self.raw = raw
    isOwned = false
    self.isCancelled = isCancelled
  }

  func close() { if isOwned { _ = Glibc.close(raw) } }

  /// Reads until the buffer is full or the file ends; gives the count.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws(PlatformError) -> Int {
    var done = 0
    while done < buffer.count, let base = buffer.baseAddress {
      if !isOwned { try waitForBytes() }
      let count = retryingOnInterrupt { Glibc.read(raw, base + done, buffer.count - done) }
      if count < 0 { throw .last("read") }
      if count == 0 { break }
      done += count
    }
    return done
  }

  /// - Throws: `ECANCELED` when the run is cancelled.
  private func waitForBytes() throws(PlatformError) {
    var waiting = pollfd(fd: raw, events: Int16(POLLIN), revents: 0)
    while true {
      if isCancelled() { throw PlatformError("read", "the stream", errno: ECANCELED) }
      if poll(&waiting, 1, SourceFile.pollMilliseconds) != 0 { return }
    }
  }

  /// Asks the system for the bytes that follow; streams have no such thing.
  func readAhead(_ byteCount: Int) {
    guard isOwned else { return }
    let position = lseek(raw, 0, SEEK_CUR)
    if position >= 0 { _ = posix_fadvise(raw, position, byteCount, POSIX_FADV_WILLNEED) }
  }
}
