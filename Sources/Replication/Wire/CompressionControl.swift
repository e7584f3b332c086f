import Platform

/// Decides the compression of data records for all lanes of one sender.
final class CompressionControl: @unchecked Sendable {
  private let choice: CompressionChoice
  private let lock = Lock()

  init(choice: CompressionChoice) { self.choice = choice }

  /// The level for the next record; nil for none.
  var level: Int? {
    switch choice {
    case .none: nil
    case .level(let level): level
    case .adaptive: nil
    }
  }

  func record(rawBytes: Int, wireBytes: Int, seconds: Double) {}
  func recordUncompressed(_ bytes: Int) {}
  func recordWrite(bytes: Int, seconds: Double) {}
}
