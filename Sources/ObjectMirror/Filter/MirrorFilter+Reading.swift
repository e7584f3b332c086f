import Platform

/// Largest file of rules, and of paths: ten million paths of 100 bytes.
private let ruleFileSizeBytesMax = 16 << 20
private let listFileSizeBytesMax = 1 << 30

extension MirrorFilter {
  mutating func readRules(_ options: MirrorFilterOptions) throws(MirrorFilterError) {
    try readPatterns(options.include, "include", files: options.includeFrom, includes: true)
    try readPatterns(options.exclude, "exclude", files: options.excludeFrom, includes: false)
    for text in options.filter {
      try readRule(Array(text.utf8), at: RuleOrigin(option: "filter"))
    }
    for file in options.filterFrom {
      try forEachLine(of: file, RuleOrigin(option: "filter-from", file: file)) {
        (rules, line, origin) throws(MirrorFilterError) in try rules.readRule(line, at: origin)
      }
    }
    // Naming what is wanted leaves out everything else.
    if !options.include.isEmpty || !options.includeFrom.isEmpty {
      try add(Array("/**".utf8), includes: false, at: RuleOrigin(option: "include"))
    }
  }

  private mutating func readPatterns(
    _ patterns: [String], _ option: String, files: [String], includes: Bool
  ) throws(MirrorFilterError) {
    for pattern in patterns {
      try add(Array(pattern.utf8), includes: includes, at: RuleOrigin(option: option))
    }
    for file in files {
      try forEachLine(of: file, RuleOrigin(option: option + "-from", file: file)) {
        (rules, line, origin) throws(MirrorFilterError) in
        try rules.add(line, includes: includes, at: origin)
      }
    }
  }

  private mutating func readRule(
    _ rule: [UInt8], at origin: RuleOrigin
  ) throws(MirrorFilterError) {
    if rule == [UInt8(ascii: "!")] {
      fileRules = []
      directoryRules = []
    } else if rule.starts(with: "+ ".utf8) {
      try add(Array(rule.dropFirst(2)), includes: true, at: origin)
    } else if rule.starts(with: "- ".utf8) {
      try add(Array(rule.dropFirst(2)), includes: false, at: origin)
    } else {
      throw .malformedRule(origin, rule: printable(rule))
    }
  }

  /// Adds a pattern as a rule for files, for directories, or both.
  ///
  /// A pattern with a slash at its end is for directories, and leaves out all below them; one with
  /// `**` is for both. One that includes files also includes the directories on the way to them.
  private mutating func add(
    _ pattern: [UInt8], includes: Bool, at origin: RuleOrigin
  ) throws(MirrorFilterError) {
    guard fileRules.count + directoryRules.count < MirrorFilter.ruleCountMax else {
      throw .tooManyRules(origin)
    }
    var glob = Rune.runes(of: pattern)
    let endsInSlash = glob.last == Rune.slash
    if endsInSlash, !includes { glob += [Rune.star, Rune.star] }
    let crosses = zip(glob, glob.dropFirst()).contains { $0 == Rune.star && $1 == Rune.star }
    do {
      let rule = try rule(glob, includes: includes)
      if crosses || !endsInSlash {
        fileRules.append(rule)
        // What is left out says nothing about the directories above it, unless it is everything.
        if includes || glob == [Rune.star] {
          for directory in DirectoryGlobs.globs(of: glob) where directory != [Rune.slash] {
            directoryRules.append(try self.rule(directory, includes: includes))
          }
        }
      }
      if crosses || endsInSlash { directoryRules.append(rule) }
    } catch {
      throw .badPattern(origin, pattern: printable(pattern), problem: error.text)
    }
  }

  private func rule(_ glob: [UInt32], includes: Bool) throws(PatternProblem) -> Rule {
    let translation = try GlobTranslation(glob)
    let node = try PatternParser.parse(translation.expression, foldsCase: ignoresCase)
    let automaton = try GlobAutomaton(node, isAnchored: translation.isAnchored)
    return Rule(includes: includes, automaton: automaton)
  }

  mutating func readLists(_ options: MirrorFilterOptions) throws(MirrorFilterError) {
    let files =
      options.filesFrom.map { RuleOrigin(option: "files-from", file: $0) }
      + options.filesFromRaw.map { RuleOrigin(option: "files-from-raw", file: $0) }
    guard let first = files.first else { return }
    if isActive { throw .filesFromNotAlone(RuleOrigin(option: first.option)) }
    list = FileList()
    for origin in files {
      let isRaw = origin.option == "files-from-raw"
      let sizeMax = listFileSizeBytesMax
      try forEachLine(of: origin.file ?? "", origin, isRaw: isRaw, sizeBytesMax: sizeMax) {
        (rules, line, _) throws(MirrorFilterError) in rules.addPath(line)
      }
    }
  }

  private mutating func addPath(_ line: [UInt8]) {
    var path = line[...]
    while path.first == 0x2f { path.removeFirst() }
    while path.last == 0x2f { path.removeLast() }
    Array(path).withUnsafeBufferPointer { path in
      _ = list?.files.insert(path)
      var end = path.count
      while let slash = path[..<end].lastIndex(of: 0x2f) {
        let parent = UnsafeBufferPointer(rebasing: path[..<slash])
        // Its own parents are there already.
        guard list?.directories.insert(parent) == true else { return }
        end = slash
      }
    }
  }

  /// Calls `body` for the lines of a file that count.
  private mutating func forEachLine(
    of file: String, _ origin: RuleOrigin, isRaw: Bool = false,
    sizeBytesMax: Int = ruleFileSizeBytesMax,
    _ body: (inout MirrorFilter, [UInt8], RuleOrigin) throws(MirrorFilterError) -> Void
  ) throws(MirrorFilterError) {
    let content: [UInt8]
    do {
      content = try SmallFile.read(file, sizeBytesMax: sizeBytesMax)
    } catch {
      throw .unreadable(origin, error)
    }
    var origin = origin
    var number = 0
    for piece in content.split(separator: 0x0a, omittingEmptySubsequences: false) {
      number += 1
      origin.line = number
      var line = piece
      if line.last == 0x0d { line.removeLast() }
      if !isRaw {
        line = MirrorFilter.trimmed(line)
        guard let first = line.first, first != UInt8(ascii: "#"), first != UInt8(ascii: ";") else {
          continue
        }
      } else if piece.endIndex == content.endIndex, line.isEmpty {
        // Behind the last line feed there is no line.
        continue
      }
      try body(&self, Array(line), origin)
    }
  }

  private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }
    var line = line.drop(while: isBlank)
    while let last = line.last, isBlank(last) { line.removeLast() }
    return line
  }
}
