import Compression
import Cryptography
import Platform
import TestSupport
import Testing

@testable import BackupRepository

private func decode(
  _ header: [UInt8], size: Int64? = nil, compression: Bool = true
) -> Result<[PackEntry], RepositoryError> {
  header.withUnsafeBytes { bytes in
    do throws(RepositoryError) {
      return .success(
        try PackHeader.decode(bytes, packByteCount: size, allowsCompression: compression))
    } catch {
      return .failure(error)
    }
  }
}

@Suite struct FormatPackTests {
  @Test(arguments: FormatFixture.all)
  func headersOfRealPacksAreReadAndWritten(fixture: FormatFixture) throws {
    for item in try fixture.items("header") {
      let id = try #require(PackID(hex: item.name))
      let stored = try fixture.stored(RepositoryLayout.path(of: id))
      let size = Int64(stored.count)
      let entries = try decode(item.bytes, size: size).get()
      #expect(PackHeader.packByteCount(of: entries) == size)
      var again: [UInt8] = []
      PackHeader.append(entries, to: &again)
      #expect(again == item.bytes)
      let length = try stored.withUnsafeBytes {
        try PackHeader.sealedLength(
          lengthField: UnsafeRawBufferPointer(rebasing: $0.suffix(4)), packByteCount: size)
      }
      #expect(length == item.bytes.count + PackHeader.sealingByteCount)
      var field: [UInt8] = []
      PackHeader.append(UInt32(length), to: &field)
      #expect(field == Array(stored.suffix(4)))
      #expect(throws: RepositoryError.self) { try decode(item.bytes, size: size + 1).get() }
    }
  }

  @Test(arguments: FormatFixture.all)
  func theIndexIsWrittenFromTheHeaders(fixture: FormatFixture) throws {
    var entries: [PackID: [PackEntry]] = [:]
    for item in try fixture.items("header") {
      let id = try #require(PackID(hex: item.name))
      entries[id] = try decode(item.bytes).get()
    }
    for item in try fixture.items("index") {
      var writer = IndexFileWriter()
      var blobCount = 0
      let value = try JSONValue(parsing: item.bytes)
      let root = try #require(value.objectValue)
      let packs = try #require(root["packs"]?.arrayValue)
      for pack in packs {
        let name = try #require(pack.objectValue?["id"]?.stringValue)
        let id = try #require(PackID(hex: name))
        let known = try #require(entries[id])
        // Restic lists the blobs of a pack in the order of its hash table.
        let blobs = try #require(pack.objectValue?["blobs"]?.arrayValue)
        let names = blobs.compactMap { $0.objectValue?["id"]?.stringValue }
        let listed = names.compactMap { name in known.first { $0.handle.id.hex == name } }
        #expect(listed.count == blobs.count)
        #expect(Set(listed) == Set(known))
        blobCount += listed.count
        writer.append(id, listed)
      }
      #expect(writer.blobCount == blobCount)
      #expect(text(writer.finish()) == text(item.bytes))
      #expect(writer.blobCount == 0)
      #expect(text(writer.finish()) == "{\"packs\":[]}\n")
    }
  }

  @Test func markedPacksStandInAListOfTheirOwn() throws {
    let entry = PackEntry(
      BlobHandle(.tree, BlobID(words: (0, 0, 0, 1))), offset: 3, sealedLength: 40,
      plaintextLength: 0)
    var writer = IndexFileWriter()
    let pack = PackID(words: (0, 0, 0, 2))
    writer.append(marked: pack, since: GoTime(seconds: 0, nanoseconds: 500), [entry])
    let blob = String(repeating: "0", count: 63) + "1"
    let name = String(repeating: "0", count: 63) + "2"
    #expect(
      text(writer.finish())
        == #"{"packs":[],"packs_to_delete":[{"id":"\#(name)","blobs":[{"id":"\#(blob)","type":"tree","offset":3,"length":40}],"time":"1970-01-01T00:00:00.0000005Z"}]}"#
        + "\n")
  }

  @Test func anIndexIsFullAfterSoManyBlobs() {
    let entries = (0..<25_000).map {
      PackEntry(
        BlobHandle(.data, BlobID(words: (0, 0, 0, $0))), offset: 0, sealedLength: 40,
        plaintextLength: 8)
    }
    var writer = IndexFileWriter()
    writer.append(PackID(words: (1, 0, 0, 0)), entries)
    #expect(!writer.isFull)
    writer.append(PackID(words: (2, 0, 0, 0)), entries)
    #expect(writer.isFull && writer.blobCount == 50_000 && writer.packCount == 2)
  }

  @Test func hostileHeadersAreRefused() throws {
    let id = [UInt8](repeating: 9, count: 32)
    func entry(_ kind: UInt8, _ length: UInt32, _ plain: UInt32? = nil) -> [UInt8] {
      var bytes = [kind]
      PackHeader.append(length, to: &bytes)
      if let plain { PackHeader.append(plain, to: &bytes) }
      return bytes + id
    }
    #expect(try decode(entry(0, 32)).get().count == 1)
    #expect(try decode(entry(3, 40, 7)).get()[0].plaintextLength == 7)
    for header in [
      [], entry(4, 40), entry(0, 31), entry(2, 40, 0), Array(entry(0, 40).dropLast()),
      entry(0, 40) + [0], entry(0, .max) + entry(0, 40),
    ] {
      #expect(throws: RepositoryError.self) { try decode(header).get() }
    }
    #expect(throws: RepositoryError.self) { try decode(entry(2, 40, 5), compression: false).get() }
    for (length, size) in [
      (0, 1000), (68, 1000), (16 << 20 + 1, 1 << 30), (500, 400), (0xffff_ffff, 1 << 40),
    ] {
      var field: [UInt8] = []
      PackHeader.append(UInt32(length), to: &field)
      _ = field.withUnsafeBytes { field in
        #expect(throws: RepositoryError.self) {
          try PackHeader.sealedLength(lengthField: field, packByteCount: Int64(size))
        }
      }
    }
  }

  @Test(arguments: FormatFixture.all)
  func damagedHeadersNeverTrap(fixture: FormatFixture) throws {
    for item in try fixture.items("header") {
      forEachDamage(of: item.bytes, seed: 5, count: 500) { bytes in
        // Either is right; neither may trap.
        _ = try? decode(bytes, size: 100_000).get()
      }
    }
  }

  @Test(arguments: FormatFixture.all)
  func framesAreOpenedAndMade(fixture: FormatFixture) throws {
    let decompressor = try BlobDecompressor()
    let compressor = try BlobCompressor(level: 3)
    let plain = try fixture.items("snapshot")
    for (framed, item) in zip(try fixture.items("framed"), plain) {
      #expect((framed.bytes.first == 2) == (fixture.version == .v2))
      func content(_ bytes: [UInt8], _ version: RepositoryVersion) -> Result<
        [UInt8], RepositoryError
      > {
        bytes.withUnsafeBytes { bytes in
          do throws(RepositoryError) {
            return .success(
              try UnpackedFile.content(
                of: bytes, part: .snapshot, version: version, decompressor: decompressor))
          } catch {
            return .failure(error)
          }
        }
      }
      #expect(try content(framed.bytes, fixture.version).get() == item.bytes)
      #expect(try content(item.bytes, .v2).get() == item.bytes)
      #expect(try content([], .v2).get() == [])
      let made = try UnpackedFile.plaintext(
        of: item.bytes, version: fixture.version, compressor: compressor)
      #expect((made.first == 2) == (fixture.version == .v2))
      #expect(try content(made, fixture.version).get() == item.bytes)
      #expect(throws: RepositoryError.self) { try content([1] + framed.bytes, .v2).get() }
      #expect(throws: RepositoryError.self) { try content([2], .v2).get() }
      guard fixture.version == .v2 else { continue }
      forEachDamage(of: framed.bytes, seed: 9, count: 200) { bytes in
        // Either is right; neither may trap.
        _ = try? content(bytes, .v2).get()
      }
    }
  }

  @Test func pathsAndNames() throws {
    let hex = "ab" + String(repeating: "0", count: 62)
    let pack = try #require(PackID(hex: hex))
    #expect(RepositoryLayout.path(of: pack) == "data/ab/\(hex)")
    let snapshot = try #require(SnapshotID(hex: hex))
    #expect(RepositoryLayout.path(of: snapshot) == "snapshots/\(hex)")
    #expect(RepositoryLayout.identifier(PackID.self, of: "data/ab/\(hex)") == pack)
    #expect(RepositoryLayout.identifier(PackID.self, of: "data/\(hex)") == pack)
    #expect(RepositoryLayout.identifier(SnapshotID.self, of: "snapshots/\(hex)") == snapshot)
    for path in [
      "data/ac/\(hex)", "data/ab/\(hex)-tmp-123", "data/ab/\(hex.uppercased())", "data/ab/",
      "data/ab", "data", "xdata/ab/\(hex)", "data/ab/x/\(hex)", "keys/\(hex)", "config",
    ] {
      #expect(RepositoryLayout.identifier(PackID.self, of: path) == nil, "\(path)")
    }
    #expect(RepositoryLayout.identifier(SnapshotID.self, of: "snapshots/ab/\(hex)") == nil)
    #expect(RepositoryLayout.directories.count == 5 + 256)
    #expect(RepositoryLayout.directories.suffix(2) == ["data/fe", "data/ff"])
  }
}
