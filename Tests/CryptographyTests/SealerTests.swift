import Platform
import TestSupport
import Testing

@testable import Cryptography

/// Known answers of real repositories: `fixtures/restic/crypto-vectors.json`.
struct RepositoryVector: CustomTestStringConvertible {
  let name: String
  let object: JSONObject
  let file: JSONObject

  static let all: [RepositoryVector] = {
    let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
    do {
      let text = try ByteFiles.read(Array("\(root)/fixtures/restic/crypto-vectors.json".utf8))
      let members = try JSONValue(parsing: text).objectValue?.members ?? []
      return members.compactMap { member in
        guard let object = member.value.objectValue, let file = object["config_file"]?.objectValue
        else { return nil }
        return RepositoryVector(name: member.name, object: object, file: file)
      }
    } catch {
      Issue.record(error)
      return []
    }
  }()

  var testDescription: String { name }

  func hexBytes(_ key: String) throws -> [UInt8] {
    try unhex(try #require((object[key] ?? file[key])?.stringValue))
  }

  func key() throws -> SealingKey {
    SealingKey(
      encryption: try hexBytes("master_encrypt_hex"), macK: try hexBytes("master_mac_k_hex"),
      macR: try hexBytes("master_mac_r_hex"))
  }

  func sealedFile() throws -> [UInt8] {
    try hexBytes("nonce_hex") + hexBytes("ciphertext_hex") + hexBytes("tag_hex")
  }
}

func sealed(_ plaintext: [UInt8], with sealer: Sealer) throws -> [UInt8] {
  var output = [UInt8](repeating: 0, count: plaintext.count + Sealer.overheadByteCount)
  try plaintext.withUnsafeBytes { input in
    try output.withUnsafeMutableBytes { try sealer.seal(input, into: $0) }
  }
  return output
}

func opened(_ bytes: [UInt8], with sealer: Sealer) throws -> [UInt8] {
  var output = [UInt8](repeating: 0, count: max(0, bytes.count - Sealer.overheadByteCount))
  try bytes.withUnsafeBytes { input in
    try output.withUnsafeMutableBytes { try sealer.open(input, into: $0) }
  }
  return output
}

@Suite struct SealerTests {
  @Test func thereAreVectorsWithBothFormsOfR() throws {
    #expect(RepositoryVector.all.count == 3)
    let clamped = try RepositoryVector.all.map { vector in
      let r = try vector.hexBytes("master_mac_r_hex")
      return [3, 7, 11, 15].allSatisfy { r[$0] < 16 } && [4, 8, 12].allSatisfy { r[$0] % 4 == 0 }
    }
    #expect(Set(clamped) == [true, false])
  }

  @Test(arguments: RepositoryVector.all)
  func opensWhatARealProgramSealed(_ vector: RepositoryVector) throws {
    let sealer = try Sealer(vector.key())
    let plaintext = try #require(vector.file["plaintext"]?.stringValue)
    #expect(try opened(vector.sealedFile(), with: sealer) == Array(plaintext.utf8))
  }

  @Test(arguments: RepositoryVector.all)
  func sealsAsARealProgramDoes(_ vector: RepositoryVector) throws {
    let sealer = try Sealer(vector.key())
    let plaintext = Array(try #require(vector.file["plaintext"]?.stringValue).utf8)
    var output = try vector.hexBytes("nonce_hex")
    output += [UInt8](repeating: 0xee, count: plaintext.count + 16)
    try plaintext.withUnsafeBytes { input in
      try output.withUnsafeMutableBytes { try sealer.sealAfterNonce(input, into: $0) }
    }
    #expect(try output == vector.sealedFile())
  }

  @Test(arguments: RepositoryVector.all)
  func aPasswordOpensTheKeyFile(_ vector: RepositoryVector) throws {
    func number(_ key: String) throws -> Int {
      Int(try #require(vector.object[key]?.integerValue))
    }
    let password = Array(try #require(vector.object["password"]?.stringValue).utf8)
    let derived = try scrypt(
      password: password, salt: vector.hexBytes("salt_hex"), n: number("N"), r: number("r"),
      p: number("p"), byteCount: 64)
    #expect(try derived == vector.hexBytes("scrypt64_hex"))
  }

  @Test(arguments: [0, 1, 15, 16, 17, 100, 4096, (128 << 10) - 1, 128 << 10, (128 << 10) + 1])
  func roundTrips(count: Int) throws {
    var generator = SeededGenerator(seed: UInt64(count))
    let sealer = try Sealer(.generated())
    for _ in 0..<3 {
      let plaintext = generator.bytes(count)
      let bytes = try sealed(plaintext, with: sealer)
      #expect(try opened(bytes, with: sealer) == plaintext)
      #expect(count < 16 || Array(bytes[16..<16 + count]) != plaintext)
    }
  }

  @Test func worksInPlace() throws {
    let sealer = try Sealer(.generated())
    var generator = SeededGenerator(seed: 3)
    let plaintext = generator.bytes(300_000)
    var memory = [UInt8](repeating: 0, count: 16) + plaintext + [UInt8](repeating: 0, count: 16)
    try memory.withUnsafeMutableBytes { whole in
      let inner = UnsafeMutableRawBufferPointer(rebasing: whole[16..<16 + plaintext.count])
      try sealer.seal(UnsafeRawBufferPointer(inner), into: whole)
    }
    #expect(try opened(memory, with: sealer) == plaintext)
    try memory.withUnsafeMutableBytes { whole in
      let inner = UnsafeMutableRawBufferPointer(rebasing: whole[16..<16 + plaintext.count])
      try sealer.open(UnsafeRawBufferPointer(whole), into: inner)
    }
    #expect(Array(memory[16..<16 + plaintext.count]) == plaintext)
  }

  @Test(arguments: [0, 5, 100])
  func damageOfAnyBitIsRefused(count: Int) throws {
    let sealer = try Sealer(.generated())
    let bytes = try sealed([UInt8](repeating: 0x5a, count: count), with: sealer)
    for index in bytes.indices {
      for bit in 0..<8 {
        // With no ciphertext the tag is the encrypted nonce: damage of either shows as well.
        var bad = bytes
        bad[index] ^= 1 << UInt8(bit)
        #expect(throws: CryptographyError.authenticationFailed) { try opened(bad, with: sealer) }
      }
    }
    #expect(throws: CryptographyError.authenticationFailed) {
      try opened(bytes + [0], with: sealer)
    }
    // The context is still good.
    #expect(try opened(bytes, with: sealer).count == count)
  }

  @Test func everyPartOfAKeyCounts() throws {
    let key = SealingKey.generated()
    let bytes = try sealed(Array("twenty bytes of text".utf8), with: Sealer(key))
    let other = SealingKey.generated()
    for wrong in [
      SealingKey(encryption: key.encryption, macK: other.macK, macR: key.macR),
      SealingKey(encryption: key.encryption, macK: key.macK, macR: other.macR),
    ] {
      #expect(throws: CryptographyError.authenticationFailed) {
        try opened(bytes, with: Sealer(wrong))
      }
    }
    let wrong = SealingKey(encryption: other.encryption, macK: key.macK, macR: key.macR)
    #expect(try opened(bytes, with: Sealer(wrong)) != Array("twenty bytes of text".utf8))
  }

  @Test func nothingIsWrittenWithoutProof() throws {
    let sealer = try Sealer(.generated())
    var bad = try sealed([1, 2, 3, 4], with: sealer)
    bad[17] ^= 1
    var output: [UInt8] = [9, 9, 9, 9]
    #expect(throws: CryptographyError.authenticationFailed) {
      try bad.withUnsafeBytes { input in
        try output.withUnsafeMutableBytes { try sealer.open(input, into: $0) }
      }
    }
    #expect(output == [9, 9, 9, 9])
  }

  @Test func aNonceOfZerosIsRefused() throws {
    let sealer = try Sealer(.generated())
    var output = [UInt8](repeating: 0, count: 35)
    try [UInt8]([1, 2, 3]).withUnsafeBytes { input in
      try output.withUnsafeMutableBytes { try sealer.sealAfterNonce(input, into: $0) }
    }
    #expect(throws: CryptographyError.zeroNonce) { try opened(output, with: sealer) }
  }

  @Test func noncesDiffer() throws {
    let sealer = try Sealer(.generated())
    let nonces = try (0..<100).map { _ in Array(try sealed([7], with: sealer).prefix(16)) }
    #expect(Set(nonces).count == 100)
  }

  @Test func sizesThatDoNotFitAreRefused() throws {
    let sealer = try Sealer(.generated())
    for count in 0..<32 {
      #expect(throws: CryptographyError.sealedTooShort(byteCount: count)) {
        try opened([UInt8](repeating: 1, count: count), with: sealer)
      }
    }
    for room in [0, 31, 34, 36] {
      var output = [UInt8](repeating: 0, count: room)
      #expect(throws: CryptographyError.room(expected: 35, actual: room)) {
        try [UInt8]([1, 2, 3]).withUnsafeBytes { input in
          try output.withUnsafeMutableBytes { try sealer.seal(input, into: $0) }
        }
      }
    }
    var output: [UInt8] = [0, 0]
    let bytes = try sealed([1, 2, 3], with: sealer)
    #expect(throws: CryptographyError.room(expected: 3, actual: 2)) {
      try bytes.withUnsafeBytes { input in
        try output.withUnsafeMutableBytes { try sealer.open(input, into: $0) }
      }
    }
  }

  @Test func keysOfOtherLengthsAreRefused() throws {
    let good = SealingKey.generated()
    let short = [UInt8](repeating: 1, count: 15)
    for key in [
      SealingKey(encryption: short, macK: good.macK, macR: good.macR),
      SealingKey(encryption: good.encryption, macK: short, macR: good.macR),
      SealingKey(encryption: good.encryption, macK: good.macK, macR: short),
      SealingKey(encryption: good.encryption + [0], macK: good.macK, macR: good.macR),
    ] {
      #expect(throws: CryptographyError.self) { try Sealer(key) }
    }
  }

  @Test func aKeyIsNotPrinted() {
    let key = SealingKey.generated()
    var dumped = ""
    dump(key, to: &dumped)
    for text in [String(describing: key), String(reflecting: key), "\([key])", dumped] {
      #expect(!text.contains("\(key.macK[0]),") && !text.contains(hex(key.macK)))
      #expect(text.contains("SealingKey"))
    }
  }
}
