/// Limits of bandwidth, one for the whole time or one from each time of the week on.
///
/// A number without a unit is KiB/s. `off` is no limit. `10M:1M` limits sending and receiving
/// apart.
package struct BandwidthTimetable: Sendable, Hashable {
  /// Bytes a second; nil without a limit.
  package struct Limit: Sendable, Hashable {
    package let sendBytesPerSecond: Int64?
    package let receiveBytesPerSecond: Int64?

    /// Nil when the text is none.
    init?(_ text: Substring) {
      let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard let first = parts.first, let send = SizeSuffix(String(first)),
        let receive = parts.count == 1 ? send : SizeSuffix(String(parts[1]))
      else { return nil }
      sendBytesPerSecond = Limit.positive(send)
      receiveBytesPerSecond = Limit.positive(receive)
    }

    init() { (sendBytesPerSecond, receiveBytesPerSecond) = (nil, nil) }

    /// A limit of nothing is none, as it is for rclone.
    private static func positive(_ size: SizeSuffix) -> Int64? {
      size.byteCount.flatMap { $0 > 0 ? $0 : nil }
    }
  }

  /// From when on a limit holds.
  package struct Slot: Sendable, Hashable {
    /// Since Sunday 00:00.
    package let minuteOfWeek: Int
    package let limit: Limit
  }

  private static let minutesOfDay = 24 * 60
  private static let minutesOfWeek = 7 * minutesOfDay
  private static let dayNames = [
    "sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday",
  ]

  /// In the order in which they are written; one at minute 0 for a limit without a time.
  package let slots: [Slot]

  /// Nil when the text is none: a limit, or `HH:MM,limit` and `Mon-HH:MM,limit` with blanks
  /// between them.
  package init?(_ text: String) {
    guard !text.isEmpty else { return nil }
    guard text.contains(" ") || text.contains(",") else {
      guard let limit = Limit(text[...]) else { return nil }
      slots = [Slot(minuteOfWeek: 0, limit: limit)]
      return
    }
    var slots: [Slot] = []
    for word in text.split(separator: " ") {
      let parts = word.split(separator: ",", omittingEmptySubsequences: false)
      guard parts.count == 2, let limit = Limit(parts[1]),
        let minutes = BandwidthTimetable.minutes(of: parts[0])
      else { return nil }
      slots += minutes.map { Slot(minuteOfWeek: $0, limit: limit) }
    }
    guard !slots.isEmpty else { return nil }
    self.slots = slots
  }

  /// The minutes of the week at which a time comes; seven when no day is named.
  private static func minutes(of text: Substring) -> [Int]? {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count <= 2, let clock = parts.last, let minute = minuteOfDay(clock) else {
      return nil
    }
    guard parts.count == 2 else { return (0..<7).map { $0 * minutesOfDay + minute } }
    let name = parts[0].lowercased()
    guard let day = dayNames.firstIndex(where: { $0 == name || $0.prefix(3) == name }) else {
      return nil
    }
    return [day * minutesOfDay + minute]
  }

  private static func minuteOfDay(_ text: Substring) -> Int? {
    let bytes = Array(text.utf8)
    guard bytes.count == 5, bytes[2] == UInt8(ascii: ":"),
      bytes.enumerated().allSatisfy({ $0.offset == 2 || (0x30...0x39).contains($0.element) }),
      let hour = Int(text.prefix(2)), let minute = Int(text.suffix(2)), hour < 24, minute < 60
    else { return nil }
    return hour * 60 + minute
  }

  /// The limit at a time, given in minutes since Sunday 00:00 of the local clock.
  ///
  /// The slot that began last holds; before the first of the week, the last one of the list.
  package func limit(atMinuteOfWeek minute: Int) -> Limit {
    precondition((0..<BandwidthTimetable.minutesOfWeek).contains(minute), "a minute of the week")
    // Of several that begin at one time the one written last counts.
    var found: Slot?
    for slot in slots where slot.minuteOfWeek <= minute {
      if slot.minuteOfWeek >= found?.minuteOfWeek ?? 0 { found = slot }
    }
    return (found ?? slots.last)?.limit ?? Limit()
  }
}
