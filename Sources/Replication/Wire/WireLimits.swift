/// Constants of the wire protocol. Both ends know them; a peer that goes past one is ended.
package enum WireLimits {
  package static let version: UInt32 = 2
  /// Greeting: `DROVER\r\n`, unlike anything that a person or another protocol starts with.
  static let magic: [UInt8] = Array("DROVER\r\n".utf8)
  /// Most bytes of a record before compression; buffers of both ends have this size.
  static let recordSizeMax = 256 << 10
  /// Most bytes of a record on the wire: zstd's bound for the above, rounded up.
  static let recordWireSizeMax = recordSizeMax + (8 << 10)
  /// Control records that the sender may have under way unconsumed.
  static let controlCredits = 16
  /// Lanes of data; each is an ordered stream served by one thread at each end.
  static let laneCountMax = 8
  /// File requests that the receiver may have open.
  static let requestCountMax = 4096
  /// Bytes of listings that open requests of the receiver may hold on to.
  static let requestWeightMax = 32 << 20
  /// Delta segments that the receiver may have open.
  static let segmentCountMax = 16
  /// Directories announced and not yet decided.
  static let announcedCountMax = 1024
  /// Bytes of listings that the sender keeps for directories not yet closed.
  static let listingWeightMax = 16 << 20
  static let messageBytesMax = 4096
  /// The longest time after which a receiver that is not ready may ask to be tried again.
  static let retrySecondsMax = 600
  /// Time without progress after which a session ends; see ``Patience``.
  package static let stallSecondsMax = 3600.0
  /// The same while an end says that it is in one long call.
  package static let busySecondsMax = 86_400.0
  /// Bytes of listings that the receiver keeps of its own directories until the sender's have come;
  /// one larger directory goes alone.
  static let localListingWeightMax = 16 << 20
}

/// What a frame is. A record holds whole frames: u32 little-endian, low 24 bits the length of the
/// body, high 8 bits the type, then the body.
enum FrameType: UInt8 {
  // Sender to receiver, control lane
  case directories = 1
  case list = 2
  case walkEnd = 3
  // Sender to receiver, data lanes
  case file = 10
  case data = 11
  case zeros = 12
  case fileEnd = 13
  case segmentEnd = 14
  case askRolling = 15
  case rolled = 16
  // Receiver to sender
  case answered = 32
  case want = 33
  case close = 34
  case needWhole = 35
  case needDelta = 36
  case sums = 37
  case signature = 38
  case resend = 39
  case finish = 40
  case credit = 41
  case item = 42
  case warning = 43
  case acknowledgement = 44
  case contentDigest = 45
  // Both directions
  case ping = 60
  case abort = 61
  case goodbye = 62
  case working = 63
  case busy = 64
}
