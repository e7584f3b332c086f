import Platform

/// What rsync's log says of one connection.
///
/// A line is `DATE TIME [PID] TEXT`; the text of a transfer has the form ``format``, all others are
/// messages.
struct TransferLog {
  /// Operation, itemized change, size, bytes transferred. No name, so that no name can look like
  /// something else.
  static let format = "@%o %i %l %b"
  /// Messages kept for people; the last ones.
  private static let messageCountMax = 10
  /// The longest line that is looked at: a message with a path and its escapes.
  static let lineSizeBytesMax = 32 << 10

  private(set) var counts = TransferCounts()
  private(set) var messages: [String] = []
  /// The daemon's own word of the sizes of all files of the run.
  private(set) var sizeBytesTotal: Int64 = 0

  mutating func add(line: some Sequence<UInt8>) {
    let line = Array(line)
    // The date, the time and the process are of no use here.
    let text: [UInt8]
    if let end = line.firstIndex(of: UInt8(ascii: "]")), line.first.map({ $0 < 0x3a }) == true {
      text = Array(line[(end + 1)...].drop { $0 == 0x20 })
    } else {
      text = line
    }
    if text.first == UInt8(ascii: "@") {
      counts.add(item: String(decoding: text.dropFirst(), as: UTF8.self))
    } else {
      note(printable(text))
    }
  }

  private mutating func note(_ text: String) {
    let words = text.split(separator: " ")
    if text.hasPrefix("sent "), words.count == 9, let total = Int64(words[8]) {
      sizeBytesTotal = total
      return
    }
    let isOrdinary =
      text.isEmpty || text == "receiving file list" || text.hasPrefix("connect from ")
      || text.hasPrefix("rsync to ") || text.hasPrefix("rsync allowed access ")
    if !isOrdinary { messages = messages.suffix(TransferLog.messageCountMax - 1) + [text] }
  }
}

/// Counts of itemized changes, of either end.
struct TransferCounts: Equatable {
  var transferredCount: Int64 = 0
  var createdCount: Int64 = 0
  var deletedCount: Int64 = 0
  var attributesChangedCount: Int64 = 0
  var sizeBytesTransferred: Int64 = 0
  var literalBytes: Int64 = 0

  /// Takes note of `OPERATION CHANGE SIZE BYTES`.
  mutating func add(item: String) {
    let words = item.split(separator: " ", omittingEmptySubsequences: true)
    guard words.count >= 4, let literal = Int64(words[words.count - 1]),
      let size = Int64(words[words.count - 2])
    else { return }
    add(change: words[1], sizeBytes: size, literalBytes: literal)
  }

  /// Takes note of one change in rsync's itemized form (rsync(1), `--itemize-changes`).
  mutating func add(change: some StringProtocol, sizeBytes: Int64, literalBytes literal: Int64) {
    let letters = Array(change.utf8)
    guard letters.count > 1 else { return }
    if letters[0] == UInt8(ascii: "*") {
      deletedCount += 1
      return
    }
    let rest = letters.dropFirst(2)
    let isNew = rest.contains(UInt8(ascii: "+"))
    if isNew { createdCount += 1 }
    if letters[0] == UInt8(ascii: "<") || letters[0] == UInt8(ascii: ">") {
      transferredCount += 1
      sizeBytesTransferred += sizeBytes
      literalBytes += literal
    } else if !isNew, rest.contains(where: { $0 != 0x20 && $0 != UInt8(ascii: ".") }) {
      attributesChangedCount += 1
    }
  }

  static func += (a: inout TransferCounts, b: TransferCounts) {
    a.transferredCount += b.transferredCount
    a.createdCount += b.createdCount
    a.deletedCount += b.deletedCount
    a.attributesChangedCount += b.attributesChangedCount
    a.sizeBytesTransferred += b.sizeBytesTransferred
    a.literalBytes += b.literalBytes
  }

  func fill(_ summary: inout SessionSummary) {
    summary.fileCountTransferred = transferredCount
    summary.entryCountCreated = createdCount
    summary.entryCountDeleted = deletedCount
    summary.entryCountAttributesChanged = attributesChangedCount
    summary.literalBytes = literalBytes
  }
}

/// Splits what a child prints into lines; a longer one than allowed is cut.
struct LineSplitter {
  private let sizeBytesMax: Int
  private var pending: [UInt8] = []

  init(sizeBytesMax: Int = TransferLog.lineSizeBytesMax) { self.sizeBytesMax = sizeBytesMax }

  mutating func append(_ bytes: some Sequence<UInt8>, _ body: ([UInt8]) -> Void) {
    for byte in bytes {
      if byte == 0x0a {
        body(pending)
        pending.removeAll(keepingCapacity: true)
      } else if pending.count < sizeBytesMax {
        pending.append(byte)
      }
    }
  }

  /// What came without a line's end.
  mutating func finish(_ body: ([UInt8]) -> Void) {
    if !pending.isEmpty { body(pending) }
    pending = []
  }
}

/// Finds the module that a client asks for in its first two lines: its greeting and the name.
struct ModuleRequest {
  /// Both lines together; rsync's own buffer has 1,024 bytes.
  private static let sizeBytesMax = 1024

  private var bytes: [UInt8] = []
  /// The name, once it is known.
  private(set) var module: String?
  private(set) var isDone = false

  /// Looks at the next bytes of the client; true when the name has become known by them.
  mutating func look(at piece: UnsafeRawBufferPointer) -> Bool {
    guard !isDone else { return false }
    bytes.append(contentsOf: piece.prefix(ModuleRequest.sizeBytesMax - bytes.count))
    let lines = bytes.split(separator: 0x0a, omittingEmptySubsequences: false)
    guard lines.count > 2 else {
      isDone = bytes.count == ModuleRequest.sizeBytesMax
      return false
    }
    isDone = true
    module = printable(lines[1])
    return true
  }
}
