import Glibc

extension FileIO {
  /// Whether a descriptor's file has holes; read-ahead is then turned off for it.
  ///
  /// The kernel reads ahead into holes as into data: a page of the page cache taken and cleared for
  /// each 4 KiB of zeros, which costs more than reading the data.
  package static func prepareForSparseReading(_ descriptor: Int32) -> Bool {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      Int64(status.st_blocks) * 512 < Int64(status.st_size)
    else { return false }
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM)
    return true
  }

  /// As ``read(_:into:at:)`` for a file with holes: asks for them first and fills them with zeros
  /// itself.
  package static func readAroundHoles(
    _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
  ) throws(PlatformError) -> Int {
    let end = offset + Int64(buffer.count)
    var position = offset
    func piece(upTo limit: Int64) -> UnsafeMutableRawBufferPointer {
      UnsafeMutableRawBufferPointer(
        rebasing: buffer[Int(position - offset)..<Int(limit - offset)])
    }
    while position < end {
      let found = FileSystem.seekData(descriptor, from: position)
      let isHoleToTheEnd = found < 0 && errno == ENXIO
      if found < 0, !isHoleToTheEnd {
        let read = try read(descriptor, into: piece(upTo: end), at: position)
        return Int(position - offset) + read
      }
      let data = isHoleToTheEnd ? try min(end, size(of: descriptor)) : min(end, found)
      if data > position {
        piece(upTo: data).initializeMemory(as: UInt8.self, repeating: 0)
        position = data
      }
      if isHoleToTheEnd || position >= end { break }
      let hole = FileSystem.seekHole(descriptor, from: position)
      let stop = hole <= position ? end : min(end, hole)
      if hole > stop { readAhead(descriptor, position, stop, hole) }
      let wanted = Int(stop - position)
      let count = try read(descriptor, into: piece(upTo: stop), at: position)
      position += Int64(count)
      if count < wanted { break }
    }
    return Int(position - offset)
  }

  /// Does for data what the kernel does no more: each time that a read ends in another piece of
  /// 1 MiB, the next such piece is asked for.
  private static func readAhead(_ descriptor: Int32, _ start: Int64, _ end: Int64, _ hole: Int64) {
    let window: Int64 = 1 << 20
    guard start / window != end / window else { return }
    let stop = min(hole, (end / window + 2) * window)
    posix_fadvise(descriptor, off_t(end), off_t(stop - end), POSIX_FADV_WILLNEED)
  }

  private static func size(of descriptor: Int32) throws(PlatformError) -> Int64 {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .last("fstat") }
    return Int64(status.st_size)
  }
}
