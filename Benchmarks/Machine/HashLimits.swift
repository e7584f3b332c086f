import Cryptography
import Platform

private let bufferBytes = 64 << 20

/// The hashes that read every byte of a file, on one core, from memory, in pieces of 1 MiB.
func measureHashes(rounds: Int) throws -> [Figure] {
  var generator = SeededGenerator(seed: 1)
  let data = generator.bytes(bufferBytes)
  let key = generator.bytes(XXH3Key.keyLength)
  let keyed = try XXH3Key(key)
  let poly = try Poly1305Key(key)
  // The results are folded into a value that the log shows, so that no loop is optimised away.
  var folded: UInt64 = 0
  func figure(_ name: String, _ hash: (UnsafeRawBufferPointer) throws -> UInt64) throws -> Figure {
    let seconds = try medianSeconds(rounds: rounds) {
      try data.withUnsafeBytes { bytes in
        for start in stride(from: 0, to: bytes.count, by: 1 << 20) {
          let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<start + (1 << 20)])
          folded &+= try hash(piece)
        }
      }
    }
    return Figure(
      name: name, perSecond: Double(bufferBytes) / seconds / 1e6, unit: "MB",
      note: "one core, fold \(hex(withUnsafeBytes(of: folded.bigEndian) { Array($0.suffix(2)) }))")
  }
  return [
    try figure("XXH3-128, keyed") { keyed.hash128($0).first },
    try figure("Poly1305") { poly.tag($0).first },
    try figure("SHA-256") { UInt64(try SHA256.digest($0)[0]) },
  ]
}

/// MD5 of one message, and of eight side by side, on one core, from memory.
func measureMD5(rounds: Int) throws -> [Figure] {
  var generator = SeededGenerator(seed: 2)
  let data = generator.bytes(bufferBytes)
  let single = try medianSeconds(rounds: rounds) {
    let message = MD5Message()
    data.withUnsafeBytes { message.update($0) }
    _ = message.finish()
  }
  let lanes = try medianSeconds(rounds: rounds) {
    let messages = (0..<MD5Message.laneCount).map { _ in MD5Message() }
    let pieceBytes = bufferBytes / messages.count
    data.withUnsafeBytes { bytes in
      MD5Message.update(
        messages.enumerated().map { index, message in
          let range = index * pieceBytes..<(index + 1) * pieceBytes
          return (message, UnsafeRawBufferPointer(rebasing: bytes[range]))
        })
    }
  }
  let megabytes = Double(bufferBytes) / 1e6
  return [
    Figure(name: "MD5", perSecond: megabytes / single, unit: "MB", note: "one core, one message"),
    Figure(
      name: "MD5, lanes", perSecond: megabytes / lanes, unit: "MB",
      note: "one core, \(MD5Message.laneCount) messages side by side"),
  ]
}
