import FileTree
import Platform
import Synchronization

/// Names of the files that one run is writing: those of ``FileTree/TemporaryName``, with a number
/// of the run in front.
package final class StagingNames: Sendable {
  private static let countBits: UInt64 = 24

  private let base = SecureRandom.integer() & ~(1 << StagingNames.countBits - 1)
  private let count = Atomic<UInt64>(0)

  package init() {}

  func next() -> [UInt8] {
    let number = count.add(1, ordering: .relaxed).newValue & (1 << StagingNames.countBits - 1)
    return Array(TemporaryName.make(base | number).utf8)
  }

  /// Whether a name is one of this run.
  func owns(_ name: [UInt8]) -> Bool {
    let digits = Array(TemporaryName.make(base).utf8.dropLast(Int(StagingNames.countBits / 4)))
    return name.count == digits.count + Int(StagingNames.countBits / 4) && name.starts(with: digits)
  }
}
