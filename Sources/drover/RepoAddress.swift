import BackupRepository
import Platform

extension RepositoryAddress {
  /// Longest address that is read from a file: paths have at most 4 KiB.
  private static let fileSizeBytesMax = 64 << 10

  /// The address that the options or the environment name; the options count first.
  static func chosen(_ options: RepoOptions) throws(RepositoryError) -> RepositoryAddress {
    switch (options.repository, options.repositoryFile) {
    case (.some, .some):
      throw .usage("--repo and --repository-file exclude each other")
    case (let text?, nil): return try RepositoryAddress(text)
    case (nil, let file?): return try RepositoryAddress(try read(file))
    case (nil, nil): break
    }
    let text = RepoEnvironment["RESTIC_REPOSITORY"]
    let file = RepoEnvironment["RESTIC_REPOSITORY_FILE"]
    switch (text, file) {
    case (.some, .some):
      throw .usage("RESTIC_REPOSITORY and RESTIC_REPOSITORY_FILE exclude each other")
    case (let text?, nil): return try RepositoryAddress(text)
    case (nil, let file?): return try RepositoryAddress(try read(file))
    case (nil, nil):
      throw .usage(
        "which repository? Name it with --repo or --repository-file, RESTIC_REPOSITORY or"
          + " RESTIC_REPOSITORY_FILE")
    }
  }

  private static func read(_ path: String) throws(RepositoryError) -> String {
    do throws(PlatformError) {
      let bytes = try SmallFile.read(path, sizeBytesMax: fileSizeBytesMax)
      return String(decoding: RepoText.trimmed(RepoText.decoded(bytes)), as: UTF8.self)
    } catch {
      throw .platform(error)
    }
  }
}

/// Small texts from files and environment.
enum RepoText {
  /// A text file's UTF-8: a mark at its beginning is dropped, and UTF-16 with a mark is converted.
  static func decoded(_ bytes: [UInt8]) -> [UInt8] {
    if bytes.starts(with: [0xef, 0xbb, 0xbf]) { return Array(bytes.dropFirst(3)) }
    let isLittle = bytes.starts(with: [0xff, 0xfe])
    guard isLittle || bytes.starts(with: [0xfe, 0xff]), bytes.count.isMultiple(of: 2) else {
      return bytes
    }
    let units = stride(from: 2, to: bytes.count, by: 2).map { index in
      let pair = (UInt16(bytes[index]), UInt16(bytes[index + 1]))
      return isLittle ? pair.1 << 8 | pair.0 : pair.0 << 8 | pair.1
    }
    return Array(String(decoding: units, as: UTF16.self).utf8)
  }

  /// Without the white space around it.
  static func trimmed(_ bytes: [UInt8]) -> [UInt8] {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      return trimmed(bytes) { $0 == 0x20 || (0x09...0x0d).contains($0) }
    }
    let scalars = trimmed(Array(text.unicodeScalars)) { $0.properties.isWhitespace }
    var result = String.UnicodeScalarView()
    result.append(contentsOf: scalars)
    return Array(String(result).utf8)
  }

  private static func trimmed<Item>(_ items: [Item], _ isSpace: (Item) -> Bool) -> [Item] {
    let head = items.drop(while: isSpace)
    guard let last = head.lastIndex(where: { !isSpace($0) }) else { return [] }
    return Array(head[...last])
  }
}
