import Chunking
import Cryptography
import Platform
import TestSupport
import Testing

/// What real programs stored for the inputs of `fixtures/restic/README.md`.
struct ChunkVector: CustomTestStringConvertible, Sendable {
  let polynomial: String
  let input: String
  let sha256: String
  /// Ends of the chunks, and the digest of each.
  let ends: [Int]
  let digests: [String]

  var testDescription: String { "\(input) \(polynomial)" }

  static let all: [ChunkVector] = {
    let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
    do {
      let text = try ByteFiles.read(Array("\(root)/fixtures/restic/expected.json".utf8))
      let document = try JSONValue(parsing: text).objectValue
      return (document?["chunk_vectors"]?.arrayValue ?? []).compactMap { ChunkVector($0) }
    } catch {
      Issue.record(error)
      return []
    }
  }()

  private init?(_ value: JSONValue) {
    guard let object = value.objectValue, let polynomial = object["polynomial"]?.stringValue,
      let input = object["input"]?.stringValue, let sha256 = object["sha256"]?.stringValue,
      let chunks = object["chunks"]?.arrayValue
    else { return nil }
    self.polynomial = polynomial
    self.input = input
    self.sha256 = sha256
    let rows = chunks.map { $0.arrayValue ?? [] }
    ends = rows.map { row in Int((row[0].integerValue ?? 0) + (row[1].integerValue ?? 0)) }
    digests = rows.map { $0[2].stringValue ?? "" }
  }

  func tables() throws -> ChunkerTables {
    ChunkerTables(try ChunkerPolynomial(hex: polynomial))
  }

  func bytes() throws -> [UInt8] { try VectorInput.bytes(input) }

  func expectDigests(of bytes: [UInt8], ends: [Int]) throws {
    var start = 0
    for (end, digest) in zip(ends, digests) {
      let actual = try bytes.withUnsafeBytes { whole in
        try SHA256.digest(UnsafeRawBufferPointer(rebasing: whole[start..<end]))
      }
      #expect(hex(actual) == digest)
      start = end
    }
  }
}

/// The seeded inputs, each made once.
enum VectorInput {
  private static let lock = Lock()
  private nonisolated(unsafe) static var made: [String: [UInt8]] = [:]

  static func bytes(_ name: String) throws -> [UInt8] {
    try lock.withLock { () throws -> [UInt8] in
      if let known = made[name] { return known }
      let bytes = try make(name)
      made[name] = bytes
      return bytes
    }
  }

  private static func make(_ name: String) throws -> [UInt8] {
    switch name {
    case "random-600k": try stream(name, 614_400)
    case "incompressible-5m": try stream(name, 5 << 20)
    case "incompressible-20m": try stream(name, 20 << 20)
    case "exact-512k": try stream(name, 524_288)
    case "exact-512k-plus1": try stream(name, 524_289)
    case "text-3m": try text(name, 3 << 20)
    case "zero-20m": [UInt8](repeating: 0, count: 20 << 20 + 17)
    case "ff-9m": [UInt8](repeating: 0xff, count: 9 << 20)
    case "shifted-5m":
      [UInt8](repeating: 0, count: 13) + (try stream("incompressible-5m", 5 << 20))
    default: throw TestFailure("\(name) is no input")
    }
  }

  private static func stream(_ seed: String, _ count: Int) throws -> [UInt8] {
    var hash = try SHA256()
    var bytes = [UInt8](repeating: 0, count: (count + 31) / 32 * 32)
    let prefix = Array(seed.utf8)
    bytes.withUnsafeMutableBytes { output in
      for index in 0..<output.count / 32 {
        prefix.withUnsafeBytes { hash.update($0) }
        withUnsafeBytes(of: UInt64(index).littleEndian) { hash.update($0) }
        hash.finish(into: UnsafeMutableRawBufferPointer(rebasing: output[(index * 32)...]))
      }
    }
    return Array(bytes[..<count])
  }

  private static func text(_ seed: String, _ count: Int) throws -> [UInt8] {
    let words = [
      "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet",
      "kilo", "lima", "mike", "november", "oscar", "papa",
    ].map { Array($0.utf8) }
    var bytes: [UInt8] = []
    for byte in try stream(seed, count / 4) where bytes.count < count {
      bytes += words[Int(byte & 15)]
      bytes.append(byte >> 4 == 0 ? 10 : 32)
    }
    return Array(bytes[..<count])
  }
}

/// The rule of the format, written byte by byte and with its own arithmetic.
struct ReferenceFingerprint {
  private var out = [UInt64](repeating: 0, count: 256)
  private var mod = [UInt64](repeating: 0, count: 256)

  init(_ g: UInt64) {
    func remainder(_ value: UInt64) -> UInt64 {
      var value = value
      for bit in stride(from: 63, through: 53, by: -1) where value >> UInt64(bit) & 1 == 1 {
        value ^= g << UInt64(bit - 53)
      }
      return value
    }
    for byte in 0..<256 {
      var hash = UInt64(byte)
      for _ in 0..<63 { hash = remainder(hash << 8) }
      out[byte] = hash
      mod[byte] = remainder(UInt64(byte) << 53) | UInt64(byte) << 53
    }
  }

  private struct Window {
    var bytes = [UInt8](repeating: 0, count: 64)
    var next = 0
    var digest: UInt64 = 0
  }

  private func slide(_ window: inout Window, _ byte: UInt8) {
    window.digest ^= out[Int(window.bytes[window.next])]
    window.bytes[window.next] = byte
    window.next = (window.next + 1) % 64
    let index = Int(window.digest >> 45)
    window.digest = ((window.digest << 8) | UInt64(byte)) ^ mod[index]
  }

  /// The ends of the chunks of a file, by the rule with its start byte and its skipped bytes.
  func cuts(_ data: [UInt8]) -> [Int] {
    var cuts: [Int] = []
    var start = 0
    while start < data.count {
      var window = Window()
      slide(&window, 1)
      var end = start + 524_288 - 64
      while end < data.count {
        slide(&window, data[end])
        end += 1
        let count = end - start
        if count >= 524_288, window.digest & 0xfffff == 0 || count >= 8_388_608 { break }
      }
      start = min(end, data.count)
      cuts.append(start)
    }
    return cuts
  }

  /// All ends, of at least 64 bytes, whose window is a candidate.
  func candidates(_ data: [UInt8]) -> [Int] {
    var window = Window()
    var ends: [Int] = []
    for (index, byte) in data.enumerated() {
      slide(&window, byte)
      if index >= 63, window.digest & 0xfffff == 0 { ends.append(index + 1) }
    }
    return ends
  }
}
