import Glibc
import Platform

/// A file of JSON lines that only grows at its end, and is put aside as a whole when it is full.
///
/// A process that is killed leaves a line cut short at the worst: the next record begins a line of
/// its own, and readers pass over what is none.
struct RecordFile: Sendable {
  let path: String
  let sizeBytesMax: Int

  private var olderPath: String { path + ObjectFiles.olderSuffix }

  enum Durability { case atOnce, sometime }

  func append(_ record: JSONObject, _ durability: Durability) throws(PlatformError) {
    try append(JSONValue.object(record).encoded() + [0x0a], durability)
  }

  /// Appends whole lines with one write, in a file that is not full.
  func append(_ lines: [UInt8], _ durability: Durability) throws(PlatformError) {
    var descriptor = try openFile()
    var information = stat()
    guard fstat(descriptor.raw, &information) == 0 else { throw .last("fstat", path) }
    if information.st_size > 0, Int(information.st_size) + lines.count > sizeBytesMax {
      guard rename(path, olderPath) == 0 else { throw .last("rename", path) }
      descriptor = try openFile()
      information.st_size = 0
    }
    var bytes = lines
    if information.st_size > 0, !endsLine(descriptor.raw, size: Int(information.st_size)) {
      bytes.insert(0x0a, at: 0)
    }
    try SmallFile.write(bytes, to: descriptor.raw, subject: path)
    guard durability == .atOnce else { return }
    guard retryingOnInterrupt({ fdatasync(descriptor.raw) }) == 0 else {
      throw .last("fdatasync", path)
    }
  }

  private func openFile() throws(PlatformError) -> SharedDescriptor {
    let flags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW
    let raw = retryingOnInterrupt { open(path, flags, 0o600) }
    guard raw >= 0 else { throw .last("open", path) }
    return SharedDescriptor(owning: raw)
  }

  private func endsLine(_ descriptor: Int32, size: Int) -> Bool {
    var last: UInt8 = 0
    return pread(descriptor, &last, 1, off_t(size - 1)) == 1 && last == 0x0a
  }

  /// The records of both files, oldest first; what is no record is passed over.
  func records() throws(PlatformError) -> [JSONObject] {
    let limits = JSONLimits(sizeBytesMax: StateLimits.recordSizeBytesMax)
    return try text().split(separator: 0x0a).compactMap { line in
      // A line cut short, or damaged.
      (try? JSONValue(parsing: line, limits: limits))?.objectValue
    }
  }

  /// The text of both files.
  func text() throws(PlatformError) -> [UInt8] { try read(olderPath) + read(path) }

  private func read(_ path: String) throws(PlatformError) -> [UInt8] {
    do throws(PlatformError) {
      // One record may come on top of a file that was nearly full.
      return try SmallFile.read(
        path, sizeBytesMax: sizeBytesMax + StateLimits.recordSizeBytesMax)
    } catch {
      if error.errno == ENOENT { return [] }
      throw error
    }
  }
}

extension String {
  /// The start of the text that fits, with `…` for the rest.
  func cut(toBytes sizeBytesMax: Int) -> String {
    guard utf8.count > sizeBytesMax else { return self }
    var end = utf8.index(startIndex, offsetBy: max(0, sizeBytesMax - 3))
    while end > startIndex, end.samePosition(in: unicodeScalars) == nil {
      end = utf8.index(before: end)
    }
    return self[..<end] + "…"
  }
}
