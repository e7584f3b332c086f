package import Platform

/// A fact about one side of a pair, which may cost a request or a read to find out.
package enum Known<Value: Sendable & Equatable>: Sendable, Equatable {
  case value(Value)
  /// There is none: the store keeps no such thing.
  case absent
  /// Nobody has asked yet.
  case unasked

  package var value: Value? {
    if case .value(let value) = self { value } else { nil }
  }
}

/// The MD5 of a file's content.
package struct ContentMD5: Sendable, Hashable {
  /// 16 bytes.
  package let bytes: [UInt8]

  /// Nil when the count of bytes is not 16.
  package init?(_ bytes: [UInt8]) {
    guard bytes.count == 16 else { return nil }
    self.bytes = bytes
  }
}

/// What is known of one side of a pair of files.
package struct FileFacts: Sendable, Equatable {
  /// Nil when a store does not tell it.
  package var sizeBytes: Int64?
  package var modified: Known<WallTime>
  package var md5: Known<ContentMD5>

  package init(
    sizeBytes: Int64?, modified: Known<WallTime> = .unasked, md5: Known<ContentMD5> = .unasked
  ) {
    self.sizeBytes = sizeBytes
    self.modified = modified
    self.md5 = md5
  }
}

/// How files are compared; the names are those of the options.
package struct ComparisonOptions: Sendable, Hashable {
  package var ignoresExisting = false
  /// Transfer all, whatever is there (`--ignore-times`).
  package var ignoresTimes = false
  /// Leave what is newer at the destination (`--update`).
  package var updatesOlder = false
  package var sizeOnly = false
  package var checksum = false
  package var ignoresSize = false
  package var leavesTimes = false
  package var immutable = false
  /// Times whose difference is smaller are the same; nil when one side keeps none. The coarser of
  /// the precisions of both sides, at least 1.
  package var modifyWindowNanoseconds: Int64? = 1

  package init() {}
}

/// What becomes of a pair.
package enum TransferDecision: Sendable, Hashable {
  /// The destination stays as it is.
  case skip(Reason)
  /// The content is sent.
  case transfer(Reason)
  /// The content is the same; only the destination's time is set.
  case setTime
  /// The destination may not be changed, and differs.
  case refuse(Reason)
  /// Nothing can be said before these facts are known.
  case ask(Set<Question>)

  package enum Reason: Sendable, Hashable {
    case missing
    case exists
    case unconditional
    case destinationIsNewer
    case sizesDiffer
    case sizesAreEqual
    case contentsDiffer
    case contentsAreEqual
    case timesAreEqual
    case timesDiffer
  }

  package enum Question: Sendable, Hashable {
    case sourceTime
    case destinationTime
    case sourceMD5
    case destinationMD5
  }
}

/// Whether a file has to be sent, by rclone's rules, in their order.
///
/// `destination` is nil when there is none. The cheapest facts decide first; those that are missing
/// and would decide are asked for, and then the function is called again.
/// Source: rclone's manual, options `--checksum`, `--size-only`, `--update`, `--ignore-existing`.
package func needsTransfer(
  source: FileFacts, destination: FileFacts?, options: ComparisonOptions
) -> TransferDecision {
  guard let destination else { return .transfer(.missing) }
  if options.ignoresExisting { return .skip(.exists) }
  let pair = FilePair(source: source, destination: destination, options: options)
  if options.ignoresTimes { return pair.protected(.transfer(.unconditional)) }
  return pair.protected(options.updatesOlder ? pair.update() : pair.compare(.ordinary))
}

private struct FilePair {
  enum Manner {
    case ordinary
    case sizeOnly
    case checksum
    /// The times are known to differ.
    case unequalTimes
  }

  let source: FileFacts
  let destination: FileFacts
  let options: ComparisonOptions

  func protected(_ decision: TransferDecision) -> TransferDecision {
    guard options.immutable else { return decision }
    return switch decision {
    case .transfer(let reason): .refuse(reason)
    case .setTime: .refuse(.timesDiffer)
    default: decision
    }
  }

  func compare(_ manner: Manner) -> TransferDecision {
    if !options.ignoresSize, let size = source.sizeBytes, let other = destination.sizeBytes,
      size != other
    {
      return .transfer(.sizesDiffer)
    }
    switch manner {
    case .sizeOnly: return .skip(.sizesAreEqual)
    case .checksum: return compareContents(unknownIsEqual: true)
    case .unequalTimes: return compareAfterTimes()
    case .ordinary:
      if options.sizeOnly { return .skip(.sizesAreEqual) }
      if options.checksum { return compareContents(unknownIsEqual: true) }
      return compareTimes()
    }
  }

  private func compareTimes() -> TransferDecision {
    guard let window = options.modifyWindowNanoseconds else { return .skip(.sizesAreEqual) }
    switch difference() {
    case .failure(let questions): return .ask(questions.questions)
    case .success(let difference):
      if difference.isWithin(window) { return .skip(.timesAreEqual) }
      return compareAfterTimes()
    }
  }

  /// The times differ: with the same content only the time is set.
  private func compareAfterTimes() -> TransferDecision {
    let decision = compareContents(unknownIsEqual: false)
    guard case .skip(.contentsAreEqual) = decision, !options.leavesTimes else { return decision }
    return .setTime
  }

  private func compareContents(unknownIsEqual: Bool) -> TransferDecision {
    if source.md5 == .absent || destination.md5 == .absent {
      return unknownIsEqual ? .skip(.sizesAreEqual) : .transfer(.timesDiffer)
    }
    guard let first = source.md5.value, let second = destination.md5.value else {
      // The destination's costs a request, the source's a whole read: one after the other.
      return .ask([destination.md5 == .unasked ? .destinationMD5 : .sourceMD5])
    }
    return first == second ? .skip(.contentsAreEqual) : .transfer(.contentsDiffer)
  }

  func update() -> TransferDecision {
    // Where times are not kept, that of the upload is known to the second.
    let window = options.modifyWindowNanoseconds ?? 1_000_000_000
    switch difference() {
    case .failure(let questions): return .ask(questions.questions)
    case .success(let difference):
      if difference.isAtLeast(window) { return .skip(.destinationIsNewer) }
      if difference.isWithin(window) {
        return compare(options.checksum ? .checksum : .sizeOnly)
      }
      return compare(
        options.sizeOnly ? .sizeOnly : options.checksum ? .checksum : .unequalTimes)
    }
  }

  struct Questions: Error {
    let questions: Set<TransferDecision.Question>
  }

  /// The destination's time less the source's. A file without a time is of 1970.
  private func difference() -> Result<TimeDifference, Questions> {
    var questions: Set<TransferDecision.Question> = []
    if source.modified == .unasked { questions.insert(.sourceTime) }
    if destination.modified == .unasked { questions.insert(.destinationTime) }
    guard questions.isEmpty else { return .failure(Questions(questions: questions)) }
    let first = source.modified.value ?? WallTime(seconds: 0)
    let second = destination.modified.value ?? WallTime(seconds: 0)
    return .success(TimeDifference(from: first, to: second))
  }
}

/// A span between two times, which may be longer than 292 years.
private struct TimeDifference {
  private let nanoseconds: Int64

  init(from first: WallTime, to second: WallTime) {
    let (seconds, over) = second.seconds.subtractingReportingOverflow(first.seconds)
    let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    let part = Int64(second.nanoseconds) - Int64(first.nanoseconds)
    let (sum, last) = scaled.addingReportingOverflow(part)
    let isLater = (second.seconds, second.nanoseconds) > (first.seconds, first.nanoseconds)
    nanoseconds = over || overflow || last ? (isLater ? .max : .min) : sum
  }

  func isAtLeast(_ window: Int64) -> Bool { nanoseconds >= window }
  func isWithin(_ window: Int64) -> Bool { nanoseconds < window && nanoseconds > -window }
}
