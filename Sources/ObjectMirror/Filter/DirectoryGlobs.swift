/// Which directories a rule about files needs to be looked into.
enum DirectoryGlobs {
  private static let anyDirectory = runes("/**")

  private static func runes(_ text: String) -> [UInt32] { text.unicodeScalars.map(\.value) }

  /// Globs that match, with its trailing slash, every directory in which the file glob may match
  /// something. One that is too hard to take apart needs all directories.
  static func globs(of glob: [UInt32]) -> [[UInt32]] {
    if isTooHard(glob) { return [anyDirectory] }
    var rest = squashed(glob)
    var result: [[UInt32]] = []
    while true {
      let slash = rest.lastIndex(of: Rune.slash)
      let stars = lastStars(in: rest)
      guard let cut = [slash, stars].compactMap({ $0 }).max() else {
        return result.isEmpty ? [anyDirectory] : result
      }
      let isStars = (stars ?? -1) > (slash ?? -1)
      rest = Array(rest[..<cut])
      let directory = rest + (isStars ? runes("**/") : [Rune.slash])
      if result.last != directory { result.append(directory) }
    }
  }

  private static func lastStars(in glob: [UInt32]) -> Int? {
    guard glob.count >= 2 else { return nil }
    return (0...(glob.count - 2)).last { glob[$0] == Rune.star && glob[$0 + 1] == Rune.star }
  }

  private static func squashed(_ glob: [UInt32]) -> [UInt32] {
    var result: [UInt32] = []
    for rune in glob where rune != Rune.slash || result.last != Rune.slash { result.append(rune) }
    return result
  }

  /// Expressions, braces in braces, and braces with `/` or `**` in them.
  private static func isTooHard(_ glob: [UInt32]) -> Bool {
    var opening: Int?
    for index in glob.indices {
      let isPair = index + 1 < glob.count && glob[index + 1] == glob[index]
      switch glob[index] {
      case Rune.brace:
        if isPair || opening != nil { return true }
        opening = index
      case Rune.closingBrace:
        if isPair { return true }
        if let start = opening {
          let inner = Array(glob[start..<index])
          if inner.contains(Rune.slash) || lastStars(in: inner) != nil { return true }
        }
        opening = nil
      default: break
      }
    }
    return false
  }
}
