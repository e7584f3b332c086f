/// Keys of a bucket as paths below a root, and back.
package struct KeyPaths: Sendable {
  /// What a key is for a tree.
  package enum Reading: Sendable, Equatable {
    /// A file at a path below the root.
    case file([UInt8])
    /// The marker of a directory: the key ends in a slash. Empty for the root's own.
    case directory([UInt8])
    /// A key that cannot be a path of a tree; it is told, and left alone.
    case unusable(Problem)
  }

  /// Why a key is no path, or a path no key.
  package enum Problem: String, Error, Sendable, CustomStringConvertible {
    case outsidePrefix = "it does not begin with the prefix"
    case emptyElement = "it has an empty element"
    case dots = "an element is . or .."
    case nul = "it holds a NUL"
    case foreignEncoding = "no name is written like that"
    case elementTooLong = "an element is longer than a name can be"
    case keyTooLong = "it is longer than a key can be"

    package var description: String { rawValue }
  }

  /// The limit of S3.
  package static let keySizeBytesMax = 1024
  /// NAME_MAX of Linux.
  package static let nameSizeBytesMax = 255

  private let encoding: NameEncoding
  /// What all keys begin with: empty, or ends in a slash.
  package let prefix: [UInt8]

  /// `path` is that of the remote in its bucket, without slashes at its ends, as it was typed.
  package init(path: String, encoding: NameEncoding) {
    self.encoding = encoding
    var prefix: [UInt8] = []
    for element in path.utf8.split(separator: 0x2f) {
      Array(element).withUnsafeBufferPointer { encoding.append($0, to: &prefix) }
      prefix.append(0x2f)
    }
    self.prefix = prefix
  }

  /// The key of a path: elements joined by slashes, none empty, `.` or `..`; names as `readdir(3)`
  /// gives them.
  ///
  /// `key` is replaced; its memory is used again, so that a walk allocates once.
  /// - Throws: `.keyTooLong`; other problems are those of the caller.
  package func write(
    keyOf path: UnsafeBufferPointer<UInt8>, isDirectory: Bool = false, to key: inout [UInt8]
  ) throws(Problem) {
    key.removeAll(keepingCapacity: true)
    key += prefix
    encoding.append(path, to: &key)
    if isDirectory, !path.isEmpty { key.append(0x2f) }
    if key.count > KeyPaths.keySizeBytesMax { throw .keyTooLong }
  }

  /// The key of a path in memory of its own.
  package func key(of path: [UInt8], isDirectory: Bool = false) throws(Problem) -> [UInt8] {
    var key: [UInt8] = []
    let result = path.withUnsafeBufferPointer { path in
      Result { () throws(Problem) in try write(keyOf: path, isDirectory: isDirectory, to: &key) }
    }
    try result.get()
    return key
  }

  /// What a key of a listing stands for. Whatever it holds, the path stays below the root.
  package func read(_ key: UnsafeBufferPointer<UInt8>) -> Reading {
    guard key.starts(with: prefix) else { return .unusable(.outsidePrefix) }
    var rest = UnsafeBufferPointer(rebasing: key[prefix.count...])
    if rest.isEmpty { return prefix.isEmpty ? .unusable(.emptyElement) : .directory([]) }
    let isDirectory = rest[rest.count - 1] == 0x2f
    if isDirectory { rest = UnsafeBufferPointer(rebasing: rest.dropLast()) }
    var path: [UInt8] = []
    path.reserveCapacity(rest.count)
    var start = 0
    while start <= rest.count {
      let end = rest[start...].firstIndex(of: 0x2f) ?? rest.count
      let element = UnsafeBufferPointer(rebasing: rest[start..<end])
      if start > 0 { path.append(0x2f) }
      if let problem = append(element, to: &path) { return .unusable(problem) }
      start = end + 1
    }
    return isDirectory ? .directory(path) : .file(path)
  }

  package func read(_ key: [UInt8]) -> Reading { key.withUnsafeBufferPointer { read($0) } }

  private func append(
    _ element: UnsafeBufferPointer<UInt8>, to path: inout [UInt8]
  ) -> Problem? {
    if element.isEmpty { return .emptyElement }
    if element.contains(0) { return .nul }
    let start = path.count
    guard encoding.append(decoding: element, to: &path) else { return .foreignEncoding }
    let name = path[start...]
    if name.count <= 2, name.allSatisfy({ $0 == UInt8(ascii: ".") }) { return .dots }
    // An escape stands for bytes above ASCII only, so no slash and no dot comes out of one.
    return name.count > KeyPaths.nameSizeBytesMax ? .elementTooLong : nil
  }
}
