import Glibc
import Platform

/// Reads and checks what opening a segment needs, by plain reads into memory of its own.
struct SegmentStart {
  let header: SegmentHeader
  private let descriptor: Int32
  private let path: String?
  private let key: PageKey

  /// Checks the header and that the file is as long as its counts say.
  /// - Throws: `IndexError.cacheDamaged`, `.cache`.
  init(_ descriptor: Int32, path: String?, key: PageKey) throws(IndexError) {
    self.descriptor = descriptor
    self.path = path
    self.key = key
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .cache(.last("fstat", path ?? "index")) }
    let page = try SegmentStart.pages(0, 1, descriptor, path)
    defer { page.deallocate() }
    guard let start = page.baseAddress.map({ UnsafeRawPointer($0) }),
      let header = SegmentHeader(decoding: start)
    else { throw .cacheDamaged(path: path ?? "unnamed", reason: "it has no header") }
    guard try key.with({ $0.isAuthentic(start, number: 0, nonce: header.nonce) }) else {
      throw .cacheDamaged(
        path: path ?? "unnamed", reason: "its header is damaged, or of another repository")
    }
    guard Int64(status.st_size) == Int64(header.filePageCount) * Int64(IndexPage.byteCount) else {
      throw .cacheDamaged(path: path ?? "unnamed", reason: "it has the wrong size")
    }
    self.header = header
  }

  private static func pages(
    _ first: Int, _ count: Int, _ descriptor: Int32, _ path: String?
  ) throws(IndexError) -> UnsafeMutableRawBufferPointer {
    let memory = UnsafeMutableRawBufferPointer.allocate(
      byteCount: count * IndexPage.byteCount, alignment: 64)
    do {
      let offset = Int64(first * IndexPage.byteCount)
      if try FileIO.read(descriptor, into: memory, at: offset) == memory.count { return memory }
    } catch {
      memory.deallocate()
      throw .cache(error)
    }
    memory.deallocate()
    throw .cacheDamaged(path: path ?? "unnamed", reason: "it is too short")
  }

  /// The records of a part, page by page.
  private func records<Record: BitwiseCopyable>(
    _ firstPage: Int, count: Int, perPage: Int, of: Record.Type
  ) throws(IndexError) -> [Record] {
    var result: [Record] = []
    result.reserveCapacity(count)
    var page = firstPage
    while result.count < count {
      let memory = try SegmentStart.pages(page, 1, descriptor, path)
      defer { memory.deallocate() }
      guard let start = memory.baseAddress.map({ UnsafeRawPointer($0) }),
        try key.with({ $0.isAuthentic(start, number: page, nonce: header.nonce) })
      else {
        throw .cacheDamaged(
          path: path ?? "unnamed", reason: "page \(page) is not as it was written")
      }
      for record in 0..<min(perPage, count - result.count) {
        let offset = record * MemoryLayout<Record>.stride
        result.append(start.load(fromByteOffset: offset, as: Record.self))
      }
      page += 1
    }
    return result
  }

  func rows(_ firstPage: Int, count: Int) throws(IndexError) -> [RowRecord] {
    try records(firstPage, count: count, perPage: IndexPage.rowsPerPage, of: RowRecord.self)
  }

  func fences(_ firstPage: Int, count: Int) throws(IndexError) -> [UInt64] {
    try records(firstPage, count: count, perPage: IndexPage.fencesPerPage, of: UInt64.self)
  }
}
