import Cryptography
import Platform

private let bufferBytes = 32 << 20

/// Sealing and opening as a repository does it, on one core, in blobs of a few sizes.
func measureSealing(rounds: Int) throws -> [Figure] {
  var generator = SeededGenerator(seed: 5)
  let sealer = try Sealer(
    SealingKey(
      encryption: generator.bytes(SealingKey.encryptionByteCount),
      macK: generator.bytes(SealingKey.macByteCount),
      macR: generator.bytes(SealingKey.macByteCount)))
  return try [100, 4096, 1 << 20].flatMap { blobBytes in
    try sealAndOpen(generator.bytes(blobBytes), sealer, rounds)
  }
}

private func sealAndOpen(_ blob: [UInt8], _ sealer: Sealer, _ rounds: Int) throws -> [Figure] {
  // Small blobs are bounded by the cost of each, which shows with fewer of them.
  let count = bufferBytes / max(1024, blob.count)
  var sealed = [UInt8](repeating: 0, count: blob.count + Sealer.overheadByteCount)
  var opened = blob
  func figure(_ name: String, _ body: () throws -> Void) throws -> Figure {
    let seconds = try medianSeconds(rounds: rounds) {
      for _ in 0..<count { try body() }
    }
    return Figure(
      name: "\(name), blobs of \(blob.count)",
      perSecond: Double(count * blob.count) / seconds / 1e6, unit: "MB",
      note: "one core, \(decimal(seconds / Double(count) * 1e6, 2)) µs each")
  }
  let figures = [
    try figure("seal") {
      try blob.withUnsafeBytes { input in
        try sealed.withUnsafeMutableBytes { try sealer.seal(input, into: $0) }
      }
    },
    try figure("open") {
      try sealed.withUnsafeBytes { input in
        try opened.withUnsafeMutableBytes { try sealer.open(input, into: $0) }
      }
    },
  ]
  guard opened == blob else { throw BenchmarkError("what was sealed does not open") }
  return figures
}
