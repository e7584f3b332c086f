import ArgumentParser
import BackupRepository
import Glibc
import Platform

/// Options that say what `drover repo backup` takes.
struct RepoSourceOptions: ParsableArguments {
  /// Longest list of files or patterns that is read.
  private static let listSizeBytesMax = 1 << 30

  @Option(
    name: [.customShort("e", allowingJoined: true), .long], parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Leave out what matches; repeatable.", valueName: "pattern"))
  var exclude: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("The same without regard to case.", valueName: "pattern"))
  var iexclude: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Read such patterns from FILE.", valueName: "file"))
  var excludeFile: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Read patterns without regard to case from FILE.", valueName: "file"))
  var iexcludeFile: [String] = []

  @Flag(help: "Leave out what is in directories with a CACHEDIR.TAG.")
  var excludeCaches = false

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Leave out what is in directories with such a file, that begins so.",
      valueName: "file[:header]"))
  var excludeIfPresent: [String] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Leave out larger files: 100M, 2G.", valueName: "size"))
  var excludeLargerThan: String?

  @Flag(name: [.customShort("x"), .long], help: "Do not cross into other file systems.")
  var oneFileSystem = false

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Take the paths, or patterns of such, in FILE's lines.", valueName: "file"))
  var filesFrom: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Take the paths in FILE's lines as they are.", valueName: "file"))
  var filesFromVerbatim: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Take the paths in FILE, each ended by a NUL.", valueName: "file"))
  var filesFromRaw: [String] = []

  @Flag(help: "Store standard input as one file.")
  var stdin = false

  @Option(parsing: .unconditional, help: ArgumentHelp("Name of that file.", valueName: "name"))
  var stdinFilename = "stdin"

  /// Whether standard input is read for data or lists.
  var readsInput: Bool {
    stdin || [filesFrom, filesFromVerbatim, filesFromRaw].contains { $0.contains("-") }
  }

  /// What `--stdin` stores; nil without it.
  func stream(_ paths: [String]) throws(RepositoryError) -> BackupStream? {
    guard stdin else { return nil }
    guard paths.isEmpty, filesFrom.isEmpty, filesFromVerbatim.isEmpty, filesFromRaw.isEmpty else {
      throw .usage("--stdin was given, and files to back up as well")
    }
    guard !stdinFilename.isEmpty else { throw .usage("--stdin-filename is empty") }
    return BackupStream(descriptor: 0, path: Array(stdinFilename.utf8))
  }

  /// Excludes and limits.
  func fill(_ backup: inout BackupOptions) throws {
    backup.excludes = [
      try RepoPatterns.list(exclude, files: excludeFile),
      try RepoPatterns.list([], iexclude, ignoringCaseFiles: iexcludeFile),
    ].filter { !$0.isEmpty }
    backup.excludeTexts = exclude
    if excludeCaches { backup.markers.append(.cache) }
    for text in excludeIfPresent {
      let parts = text.utf8.split(
        separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = parts.first, !name.isEmpty, !name.contains(UInt8(ascii: "/")) else {
        throw RepositoryError.usage("--exclude-if-present takes the name of a file, not '\(text)'")
      }
      backup.markers.append(
        DirectoryMarker(name: Array(name), header: parts.count > 1 ? Array(parts[1]) : []))
    }
    if let excludeLargerThan {
      let size = try sizeBytes(parsing: excludeLargerThan, option: "--exclude-larger-than")
      backup.fileSizeBytesMax = Int64(clamping: size)
    }
    backup.oneFileSystem = oneFileSystem
  }

  // MARK: Targets

  /// All that exist, from arguments and lists, and how many do not; those are told.
  /// - Throws: `RepositoryError.usage` when there are none.
  func targets(_ paths: [String], _ run: RepoRun) throws -> ([[UInt8]], missing: Int) {
    var all: [[UInt8]] = []
    for file in filesFrom { all += try patterns(in: file, run) }
    for file in filesFromVerbatim {
      all += try RepoSourceOptions.read(file).split(separator: 0x0a).map { line in
        Array(line.last == 0x0d ? line.dropLast() : line)
      }.filter { !$0.isEmpty }
    }
    for file in filesFromRaw {
      let content = try RepoSourceOptions.read(file)
      guard content.isEmpty || content.last == 0 else {
        throw RepositoryError.usage("\(file): the last path is not ended by a NUL")
      }
      all += content.split(separator: 0).map { Array($0) }
    }
    all += paths.map { Array($0.utf8) }
    guard !all.isEmpty else {
      throw RepositoryError.usage("nothing to back up: name files or directories")
    }
    let existing = all.filter { path in
      guard !RepoSourceOptions.exists(path) else { return true }
      run.output.itemFailed(printable(path), during: "scan", "does not exist, skipping")
      return false
    }
    guard !existing.isEmpty else {
      throw RepositoryError.usage("nothing that is to be backed up exists")
    }
    return (existing, all.count - existing.count)
  }

  private static func exists(_ path: [UInt8]) -> Bool {
    var status = Glibc.stat()
    return (path + [0]).withUnsafeBufferPointer { bytes in
      bytes.withMemoryRebound(to: CChar.self) { text in
        guard let base = text.baseAddress else { return false }
        return lstat(base, &status) == 0 || errno != ENOENT
      }
    }
  }

  /// The paths that match the lines of a file.
  private func patterns(in file: String, _ run: RepoRun) throws -> [[UInt8]] {
    var paths: [[UInt8]] = []
    let content = RepoText.decoded(try RepoSourceOptions.read(file))
    for line in content.split(separator: 0x0a) {
      let text = RepoText.trimmed(Array(line))
      guard let first = text.first, first != UInt8(ascii: "#") else { continue }
      let found = RepoSourceOptions.matches(text)
      if found.isEmpty {
        run.output.warn("pattern \"\(printable(text))\" does not match any files, skipping")
      }
      paths += found
    }
    return paths
  }

  /// The paths that a pattern of the shell matches (`glob`).
  private static func matches(_ pattern: [UInt8]) -> [[UInt8]] {
    var found = glob_t()
    defer { globfree(&found) }
    let code = (pattern + [0]).withUnsafeBufferPointer { bytes in
      bytes.withMemoryRebound(to: CChar.self) { text in
        text.baseAddress.map { glob($0, 0, nil, &found) } ?? GLOB_NOMATCH
      }
    }
    guard code == 0 else { return [] }
    return (0..<Int(found.gl_pathc)).compactMap { index in
      found.gl_pathv[index].map { Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) }
    }
  }

  private static func read(_ file: String) throws(RepositoryError) -> [UInt8] {
    do throws(PlatformError) {
      return try SmallFile.read(file, sizeBytesMax: listSizeBytesMax)
    } catch {
      throw .platform(error)
    }
  }
}

/// Patterns from options and files.
enum RepoPatterns {
  private static let fileSizeBytesMax = 64 << 20

  /// The patterns of options and files in one list, those without regard to case last.
  static func list(
    _ texts: [String], _ ignoringCase: [String] = [], files: [String] = [],
    ignoringCaseFiles: [String] = []
  ) throws(RepositoryError) -> PathPatterns {
    var patterns: [PathPattern] = []
    for text in try texts + read(files) { patterns.append(try PathPattern(text)) }
    for text in try ignoringCase + read(ignoringCaseFiles) {
      patterns.append(try PathPattern(text, ignoringCase: true))
    }
    return PathPatterns(patterns)
  }

  private static func read(_ files: [String]) throws(RepositoryError) -> [String] {
    var texts: [String] = []
    for file in files {
      do throws(PlatformError) {
        texts += PatternFile.patterns(
          in: try SmallFile.read(file, sizeBytesMax: fileSizeBytesMax),
          variable: { RepoEnvironment[$0] })
      } catch {
        throw .platform(error)
      }
    }
    return texts
  }
}
