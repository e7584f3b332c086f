/// How the content of the source is shared among several destinations.
package struct SharingOptions: Sendable {
  /// Files up to this size are in memory as a whole.
  package var wholeSizeBytesMax: Int64 = 4 << 20
  /// Whole files that wait for a destination which is behind.
  package var heldBytesMax = 32 << 20
  /// A larger file passes through a window of so many pieces.
  package var pieceSizeBytes = 256 << 10
  package var pieceCountMax = 8
  /// Files whose place in the listing is remembered.
  package var placeCountMax = 1 << 16
  /// How long a destination may do nothing while others wait for it, at least and at most, and the
  /// part of the run's time in between: a stall is to cost the others a twentieth at most.
  package var patienceSecondsMin = 0.15
  package var patienceSecondsMax = 2.0
  package var patienceRatio = 0.04
  /// A destination may do nothing for the time of so many of its answers.
  static let answerCount = 3.0
  /// How long others may wait for a destination that works but comes late to a file, and which
  /// part of the time on top.
  package var delaySecondsMax = 3.0
  package var delayRatio = 0.25

  package init() {}
}
