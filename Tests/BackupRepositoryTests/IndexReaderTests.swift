import TestSupport
import Testing

@testable import BackupRepository

@Suite struct IndexReaderTests {
  private static let id = String(repeating: "0123456789abcdef", count: 4)
  private let file = IndexID(words: (1, 2, 3, 4))

  private func read(
    _ json: String, compression: StoredCompression = .allowed
  ) throws -> [(BlobHandle, BlobLocation, marked: Bool)] {
    try read(Array(json.utf8), compression: compression)
  }

  private func read(
    _ json: [UInt8], compression: StoredCompression = .allowed
  ) throws -> [(BlobHandle, BlobLocation, marked: Bool)] {
    let text = IndexText()
    #expect(json.withUnsafeBytes { text.assign($0) })
    let reader = IndexReader()
    let parsed = try reader.read(text, of: file, compression: compression)
    return parsed.listedPacks().flatMap { pack in
      pack.blobs.map { blob in
        let location = BlobLocation(
          pack: pack.id, offset: blob.offset, sealedLength: blob.sealedLength,
          plaintextLength: blob.plaintextLength)
        return (blob.blob, location, marked: pack.isMarked)
      }
    }
  }

  @Test func aFileOfResticIsReadInOrder() throws {
    let other = String(repeating: "f", count: 64)
    let found = try read(
      """
      {"packs":[{"id":"\(Self.id)","blobs":[\
      {"id":"\(other)","type":"data","offset":0,"length":50,"uncompressed_length":18},\
      {"id":"\(Self.id)","type":"tree","offset":50,"length":4294967245}]}]}

      """)
    try #require(found.count == 2)
    #expect(found[0].0 == BlobHandle(.data, try #require(BlobID(hex: other))))
    #expect(found[1].0 == BlobHandle(.tree, try #require(BlobID(hex: Self.id))))
    let pack = try #require(PackID(hex: Self.id))
    #expect(
      found[0].1
        == BlobLocation(pack: pack, offset: 0, sealedLength: 50, plaintextLength: 18))
    #expect(found[0].1.byteCount == 18)
    #expect(found[1].1.sealedLength == 4_294_967_245 && found[1].1.plaintextLength == 0)
    #expect(found[1].1.byteCount == 4_294_967_213)
  }

  @Test func keysInAnyOrderAndUnknownOnesAreAccepted() throws {
    let found = try read(
      """
      {"time":"x","packs_to_delete":[{"blobs":[{"length":40,"z":{"a":[1,{"packs":[]}]},\
      "offset":7,"type":"data","id":"\(Self.id)"}],"size":12.5,"id":"\(Self.id)"}], "packs" : null}
      """)
    #expect(found.count == 1)
    #expect(found.first?.marked == true)
    #expect(found.first?.1.offset == 7)
  }

  @Test(arguments: ["{\"packs\":[]}", "{\"packs\":null}\n", "{\"packs\":[{\"id\":\"ID\"}]}"])
  func emptyFilesHoldNothing(json: String) throws {
    #expect(try read(json.replacing("ID", with: Self.id)).isEmpty)
  }

  @Test(arguments: [
    "", " ", "{}", "[]", "null", "nul", "1", "{\"packs\":{}}", "{\"packs\":[1]}", "{\"packs\":[",
    "{\"packs\":[]}x", "{\"packs\":[]}{}", "{\"packs\":[],\"packs\":[]}", "{\"packs\":[{}]}",
    "{\"packs\":[{\"id\":\"ID\",\"blobs\":7}]}", "{\"packs\":[{\"id\":7,\"blobs\":[]}]}",
    "{\"packs\":[{\"id\":\"ID\",\"blobs\":[]},]}", "{\"packs\":[{\"id\":\"ID\",\"id\":\"ID\"}]}",
    "\u{1}", "{\"packs\":[{\"id\":\"", "{\"packs\":[{\"id\":\"01\"}]}",
  ])
  func otherTextsAreRefused(json: String) {
    #expect(throws: IndexError.self) { try read(json.replacing("ID", with: Self.id)) }
  }

  @Test(arguments: [
    ("\"offset\":0", "\"offset\":-1"), ("\"offset\":0", "\"offset\":4294967296"),
    ("\"offset\":0", "\"offset\":0.5"), ("\"offset\":0", "\"offset\":\"0\""),
    ("\"offset\":0", "\"offset\":18446744073709551616"), ("\"offset\":0", "\"offset\":null"),
    ("\"offset\":0", "\"offset\":4294967290"), ("\"offset\":0", "\"offset\":0,\"offset\":0"),
    ("\"length\":50", "\"length\":31"), ("\"length\":50", "\"length\":4294967296"),
    ("\"length\":50,", ""), ("\"type\":\"data\",", ""), ("\"offset\":0,", ""),
    ("\"data\"", "\"Data\""), ("\"data\"", "\"dat\""), ("\"data\"", "7"), ("\"data\"", "\"datax\""),
    ("\"uncompressed_length\":18", "\"uncompressed_length\":4294967296"),
    ("0123456789abcdef\",\"type", "0123456789abcdeF\",\"type"),
    ("0123456789abcdef\",\"type", "0123456789abcdeg\",\"type"),
    ("0123456789abcdef\",\"type", "0123456789abcde\",\"type"),
    ("0123456789abcdef\",\"type", "0123456789abcdef0\",\"type"),
    ("0123456789abcdef\",\"type", "0123456789abcd\\u0065\",\"type"),
  ])
  func aWrongFieldIsRefused(field: String, wrong: String) throws {
    let json =
      "{\"packs\":[{\"id\":\"\(Self.id)\",\"blobs\":[{\"id\":\"\(Self.id)\",\"type\":\"data\","
      + "\"offset\":0,\"length\":50,\"uncompressed_length\":18}]}]}"
    #expect(try read(json).count == 1)
    let damaged = json.replacing(field, with: wrong)
    #expect(damaged != json)
    #expect(throws: IndexError.self) { try read(damaged) }
  }

  @Test func everyByteThatIsNoDigitIsRefused() throws {
    for byte in UInt8.min...UInt8.max {
      for place in [0, 7, 8, 31, 63] {
        var digits = Array(Self.id.utf8)
        digits[place] = byte
        let json = Array("{\"packs\":[{\"id\":\"".utf8) + digits + Array("\",\"blobs\":[]}]}".utf8)
        let isDigit = (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
        #expect(((try? read(json)) != nil) == isDigit, "byte \(byte) at \(place)")
      }
    }
  }

  @Test func compressedBlobsAreRefusedInVersion1() throws {
    let json =
      "{\"packs\":[{\"id\":\"\(Self.id)\",\"blobs\":[{\"id\":\"\(Self.id)\",\"type\":\"data\","
      + "\"offset\":0,\"length\":50}]}]}"
    #expect(try read(json, compression: .refused).count == 1)
    let compressed = json.replacing(":50", with: ":50,\"uncompressed_length\":9")
    #expect(throws: IndexError.self) { try read(compressed, compression: .refused) }
  }

  @Test func changedBytesNeverCrash() throws {
    var model = IndexModel(seed: 5)
    let json = model.json(model.addFile(packCount: 6, blobsPerPack: 4))
    var random = SeededGenerator(seed: 6)
    var accepted = 0
    for _ in 0..<SampledCounts.count(sampled: 3_000, full: 300_000) {
      var damaged = json
      for _ in 0...random.below(3) {
        switch random.below(3) {
        case 0: damaged[random.below(damaged.count)] = UInt8(truncatingIfNeeded: random.next())
        case 1: damaged.removeSubrange(random.below(damaged.count)...)
        default:
          let place = random.below(damaged.count)
          damaged.insert(contentsOf: json[random.below(json.count)...].prefix(40), at: place)
        }
        if damaged.isEmpty { damaged = json }
      }
      // Any answer will do; a change within a number or an identifier is not one of form.
      if (try? read(damaged)) != nil { accepted += 1 }
    }
    #expect(accepted > 0)
  }
}
