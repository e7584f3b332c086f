package import Platform

/// A version of the repository format.
package enum RepositoryVersion: UInt32, Sendable, CaseIterable, Comparable {
  /// Nothing is compressed.
  case v1 = 1
  /// Blobs and listings are compressed; packs hold either data or trees.
  case v2 = 2

  package static func < (a: RepositoryVersion, b: RepositoryVersion) -> Bool {
    a.rawValue < b.rawValue
  }
}

/// Role of the identifier of a repository: random, not the hash of anything.
package enum RepositoryRole {}
/// Names a repository, for caches and messages.
package typealias RepositoryID = Identifier<RepositoryRole>

/// The file `config`: what is fixed for a repository.
///
/// `{"version":2,"id":"<64 digits>","chunker_polynomial":"<digits>"}`, sealed and never compressed.
/// Members that other programs add are kept when the file is written again, behind these three.
/// Source: the restic repository format, "config".
package struct RepositoryConfig: Equatable, Sendable {
  /// Largest config: three members have 130 bytes; others that programs add stay small.
  package static let sizeBytesMax = 1 << 20

  package var version: RepositoryVersion
  package var id: RepositoryID
  /// Hexadecimal without prefix, of an irreducible polynomial of degree 53. That it is one,
  /// `ChunkerPolynomial` checks; here only that it is a number of at most 64 bits.
  package var chunkerPolynomial: String
  /// Members of other programs.
  package var others = JSONObject()

  package init(version: RepositoryVersion, id: RepositoryID, chunkerPolynomial: String) {
    self.version = version
    self.id = id
    self.chunkerPolynomial = chunkerPolynomial
  }

  /// Reads the opened file.
  /// - Throws: `RepositoryError.corrupt`; `.unsupported` for another version.
  package init(decoding json: some Collection<UInt8>) throws(RepositoryError) {
    let reader = try RecordReader(json, part: .config, sizeBytesMax: RepositoryConfig.sizeBytesMax)
    guard let number = try reader.number("version") else { throw reader.missing("version") }
    guard let version = UInt32(exactly: number).flatMap(RepositoryVersion.init(rawValue:)) else {
      throw .unsupported(what: "repository version \(number)", place: "")
    }
    guard let id = try reader.identifier("id", RepositoryID.self) else {
      throw reader.missing("id")
    }
    guard let polynomial = try reader.string("chunker_polynomial") else {
      throw reader.missing("chunker_polynomial")
    }
    guard (1...16).contains(polynomial.utf8.count), UInt64(polynomial, radix: 16) != nil else {
      throw reader.damage("\"chunker_polynomial\" is not a hexadecimal number")
    }
    self.init(version: version, id: id, chunkerPolynomial: polynomial)
    others = reader.object
    for name in ["version", "id", "chunker_polynomial"] { others[name] = nil }
  }

  /// The JSON to seal.
  package func encoded() -> [UInt8] {
    var writer = RecordWriter()
    writer.field("version", UInt64(version.rawValue))
    writer.field("id", id)
    writer.field("chunker_polynomial", chunkerPolynomial)
    for member in others.members {
      writer.json.raw(",")
      writer.json.string(member.name)
      writer.json.raw(":")
      writer.json.raw(member.value.encoded())
    }
    return writer.finish()
  }
}
