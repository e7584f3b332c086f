import Glibc

/// Paths as bytes, in the way of Go's `path/filepath`.
enum PathText {
  static let slash = UInt8(ascii: "/")

  /// The shortest equal path: no empty part, no `.`, no `..` behind a name; `.` for nothing.
  static func clean(_ path: [UInt8]) -> [UInt8] {
    let isRooted = path.first == slash
    let up: [UInt8] = [0x2e, 0x2e]
    var parts: [ArraySlice<UInt8>] = []
    for part in path.split(separator: slash) where !part.elementsEqual([0x2e]) {
      if part.elementsEqual(up) {
        if let last = parts.last, !last.elementsEqual(up) {
          parts.removeLast()
          continue
        }
        if isRooted { continue }
      }
      parts.append(part)
    }
    let joined = Array(parts.joined(separator: [slash]))
    if isRooted { return [slash] + joined }
    return joined.isEmpty ? [0x2e] : joined
  }

  static func join(_ directory: [UInt8], _ name: some Collection<UInt8>) -> [UInt8] {
    var path = directory
    path.reserveCapacity(directory.count + 1 + name.count)
    if path.last != slash { path.append(slash) }
    path.append(contentsOf: name)
    return path
  }

  /// The parts of a clean path below the root or the working directory; parts that lead upwards
  /// are dropped.
  static func components(_ path: [UInt8]) -> [[UInt8]] {
    clean(path.first == slash ? path : [slash] + path).split(separator: slash).map(Array.init)
  }

  /// What a relative path starts from: the root, `.`, or as many `..` as it begins with.
  static func base(_ path: [UInt8]) -> [UInt8] {
    if path.first == slash { return [slash] }
    let up = path.split(separator: slash).prefix { $0.elementsEqual([0x2e, 0x2e]) }
    return up.isEmpty ? [0x2e] : Array(up.joined(separator: [slash]))
  }

  /// The same path from the root on. A working directory that cannot be told leaves it as it is.
  static func absolute(_ path: [UInt8]) -> [UInt8] {
    if path.first == slash { return clean(path) }
    guard let text = getcwd(nil, 0) else { return clean(path) }
    defer { free(text) }
    let directory = UnsafeRawBufferPointer(start: text, count: strlen(text))
    return clean(Array(directory) + [slash] + path)
  }

  /// Calls `body` with the path as a C string.
  static func withCString<Result>(
    _ path: [UInt8], _ body: (UnsafePointer<CChar>) -> Result
  ) -> Result {
    withUnsafeTemporaryAllocation(byteCount: path.count + 1, alignment: 1) { buffer in
      buffer.copyBytes(from: path)
      buffer[path.count] = 0
      return body(
        UnsafeRawPointer(buffer.baseAddress.unsafelyUnwrapped)
          .assumingMemoryBound(to: CChar.self))
    }
  }
}
