/// How much unused data prune leaves where it is, rather than write the used rest anew.
package enum UnusedLimit: Sendable, Equatable {
  /// Of the size after prune; from 0 to below 100.
  case percent(Double)
  case bytes(UInt64)
  case unlimited

  /// Reads `5%`, `unlimited`, or bytes with a suffix out of K, M, G and T.
  ///
  /// - Throws: `PrunePlanError.invalidOption`.
  package init(parsing text: String) throws(PrunePlanError) {
    let word = String(decoding: text.utf8.trimmingSpaces, as: UTF8.self)
    if word == "unlimited" {
      self = .unlimited
    } else if word.hasSuffix("%") {
      guard let percent = Double(word.dropLast()), percent >= 0, percent < 100 else {
        throw .invalidOption(
          "--max-unused", reason: "'\(text)': a percentage is at least 0 and below 100")
      }
      self = .percent(percent)
    } else {
      self = .bytes(try sizeBytes(parsing: word, option: "--max-unused"))
    }
  }

  /// The limit in bytes when so many are used.
  func byteCount(used: UInt64) -> UInt64 {
    switch self {
    case .unlimited: return .max
    case .bytes(let count): return count
    case .percent(let percent):
      let limit = percent / (100 - percent) * Double(used)
      return limit < Double(UInt64.max) ? UInt64(max(0, limit)) : .max
    }
  }
}

/// Which packs without unused blobs are written anew only because they are small.
package enum SmallPackLimit: Sendable, Equatable {
  /// Below 80 % of 4 MiB, or of the third percentile of the sizes if that is more.
  case standard
  /// `--repack-small`: below 80 % of the size that packs are made with.
  case belowTarget
  /// `--repack-smaller-than`.
  case smallerThan(UInt64)
}

/// What prune may do.
package struct PruneOptions: Sendable, Equatable {
  package var maxUnused = UnusedLimit.percent(5)
  /// `--max-repack-size`; nil for no limit.
  package var maxRepackBytes: UInt64?
  /// `--repack-cacheable-only`: leaves packs of data alone while something in them is used.
  package var repacksCacheableOnly = false
  package var smallPacks = SmallPackLimit.standard
  /// `--repack-uncompressed`; trees are compressed in any case.
  package var repacksUncompressed = false
  package var repositoryVersion = 2
  /// The size that packs are made with.
  package var packSizeBytes: UInt64 = 16 << 20
  /// How long a pack that another tool has marked for deletion is left alone: rustic's own default.
  package var markDelaySeconds: Int64 = 23 * 3600

  package init() {}

  /// Fewer small packs than this are not worth writing anew; it also keeps one prune after the
  /// other from writing the same last pack again and again.
  package static let smallPackCountMin = 10

  func check() throws(PrunePlanError) {
    if repacksUncompressed, repositoryVersion < 2 {
      throw .invalidOption(
        "--repack-uncompressed", reason: "only a repository of version 2 holds compressed data")
    }
    if case .smallerThan(let limit) = smallPacks, limit > packSizeBytes {
      throw .invalidOption(
        "--repack-smaller-than",
        reason: "\(limit) bytes are more than the size of a pack, \(packSizeBytes) bytes")
    }
  }

  /// Packs below this count as small; the sizes are those of all packs in the repository.
  func smallPackBytes(among sizes: [UInt64]) -> UInt64 {
    switch smallPacks {
    case .smallerThan(let limit): return limit
    case .belowTarget: return packSizeBytes / 5 * 4
    case .standard:
      let sorted = sizes.sorted()
      let percentile = sorted.isEmpty ? 0 : sorted[sorted.count * 3 / 100]
      return max(4 << 20, percentile) / 5 * 4
    }
  }
}

/// Reads bytes with an optional suffix out of B, K, M, G and T (powers of 1024), as restic does.
///
/// - Throws: `PrunePlanError.invalidOption` with the name of the option.
package func sizeBytes(parsing text: String, option: String) throws(PrunePlanError) -> UInt64 {
  let shifts: [Character: UInt64] = [
    "b": 0, "B": 0, "k": 10, "K": 10, "m": 20, "M": 20, "g": 30, "G": 30, "t": 40, "T": 40,
  ]
  let shift = text.last.flatMap { shifts[$0] }
  let digits = shift == nil ? text[...] : text.dropLast()
  guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
    let number = UInt64(digits), number <= UInt64(Int64.max) >> (shift ?? 0)
  else {
    throw .invalidOption(
      option, reason: "'\(text)' is not a size: a number, then nothing, K, M, G or T")
  }
  return number << (shift ?? 0)
}
