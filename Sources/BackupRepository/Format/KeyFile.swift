package import Cryptography

/// How a password becomes a key.
///
/// The numbers come from a file that may be hostile: they decide how much memory and time one
/// attempt takes, so that each has its limit.
package struct KeyDerivation: Hashable, Sendable {
  /// Memory of one derivation: restic makes keys with at most 60 MiB; this much is what other
  /// programs' keys may ask.
  package static let memoryByteCountMax: UInt64 = 1 << 30
  /// Memory times passes, about a minute on one core: restic makes keys of half a second.
  package static let workByteCountMax: UInt64 = 16 << 30
  package static let saltByteCount = 64
  /// 32 bytes for encryption, 16 and 16 for authentication.
  package static let keyByteCount = 64

  /// Costs of a new key: 32 MiB, three passes, 0.2 s on one core. The same on every machine, so
  /// that a busy one makes no weaker keys; restic measures instead, and takes about 0.5 s.
  /// Source: OWASP Password Storage Cheat Sheet, the scrypt setting for 32 MiB.
  package static let standard = (n: UInt32(32_768), r: UInt32(8), p: UInt32(3))

  package var n: UInt32
  package var r: UInt32
  package var p: UInt32
  package var salt: [UInt8]

  /// Numbers that are within the limits.
  /// - Throws: `RepositoryError.corrupt` for numbers that scrypt does not have, `.unsupported` for
  ///   those beyond the limits.
  package init(n: UInt64, r: UInt64, p: UInt64, salt: [UInt8]) throws(RepositoryError) {
    guard n > 1, n & (n - 1) == 0, r > 0, p > 0 else {
      throw .corrupt(.key, place: "", reason: "scrypt has no parameters N=\(n) r=\(r) p=\(p)")
    }
    let (lines, overflow) = n.multipliedReportingOverflow(by: r)
    let (work, overflow2) = lines.multipliedReportingOverflow(by: p)
    guard !overflow, !overflow2, lines <= KeyDerivation.memoryByteCountMax / 128,
      work <= KeyDerivation.workByteCountMax / 128,
      let n = UInt32(exactly: n), let r = UInt32(exactly: r), let p = UInt32(exactly: p)
    else {
      throw .unsupported(what: "a key with the costs N=\(n) r=\(r) p=\(p)", place: "")
    }
    guard salt.count == KeyDerivation.saltByteCount else {
      throw .corrupt(.key, place: "", reason: "a salt of \(salt.count) bytes instead of 64")
    }
    (self.n, self.r, self.p, self.salt) = (n, r, p, salt)
  }
}

/// A key file: plain JSON with the master key, sealed by a key that comes from a password.
///
/// Members in this order: `created`, `username`, `hostname`, `kdf` ("scrypt"), `N`, `r`, `p`,
/// `salt`, `data`. No newline at the end; the file's name is the SHA-256 of its bytes.
/// Source: the restic repository format, "key files".
package struct KeyFile: Equatable, Sendable {
  /// Largest key file: restic's have 450 bytes.
  package static let sizeBytesMax = 64 << 10
  /// How many key files are tried before a password counts as wrong, as restic does.
  package static let attemptsMax = 20

  package var created: GoTime
  package var username: String
  package var hostname: String
  package var derivation: KeyDerivation
  /// The sealed master key.
  package var sealedMasterKey: [UInt8]

  package init(
    created: GoTime, username: String, hostname: String, derivation: KeyDerivation,
    sealedMasterKey: [UInt8]
  ) {
    self.created = created
    self.username = username
    self.hostname = hostname
    self.derivation = derivation
    self.sealedMasterKey = sealedMasterKey
  }

  /// Reads a key file as it is stored.
  /// - Throws: `RepositoryError.corrupt`, `.unsupported`.
  package init(decoding json: some Collection<UInt8>) throws(RepositoryError) {
    let reader = try RecordReader(json, part: .key, sizeBytesMax: KeyFile.sizeBytesMax)
    let kdf = try reader.string("kdf") ?? ""
    guard kdf == "scrypt" else {
      throw .unsupported(what: "a key made by \"\(kdf.prefix(40))\"", place: "")
    }
    guard let n = try reader.number("N"), let r = try reader.number("r"),
      let p = try reader.number("p"), let salt = try reader.base64("salt")
    else { throw reader.missing("N, r, p or salt") }
    derivation = try KeyDerivation(n: n, r: r, p: p, salt: salt)
    guard let data = try reader.base64("data") else { throw reader.missing("data") }
    guard data.count > PackHeader.sealingByteCount else {
      throw reader.damage("a sealed key of \(data.count) bytes")
    }
    sealedMasterKey = data
    created = try reader.time("created") ?? .zero
    username = try reader.string("username") ?? ""
    hostname = try reader.string("hostname") ?? ""
  }

  /// The bytes to store.
  package func encoded() -> [UInt8] {
    var writer = RecordWriter()
    writer.field("created", created)
    writer.field("username", username)
    writer.field("hostname", hostname)
    writer.field("kdf", "scrypt")
    writer.field("N", UInt64(derivation.n))
    writer.field("r", UInt64(derivation.r))
    writer.field("p", UInt64(derivation.p))
    writer.field("salt", base64: derivation.salt)
    writer.field("data", base64: sealedMasterKey)
    return writer.finish()
  }
}

extension SealingKey {
  /// Reads the master key from an opened key file:
  /// `{"mac":{"k":"<base64>","r":"<base64>"},"encrypt":"<base64>"}`.
  /// - Throws: `RepositoryError.corrupt`, never with a part of the key in its text.
  package init(decoding json: some Collection<UInt8>) throws(RepositoryError) {
    let reader: RecordReader
    let mac: RecordReader?
    do throws(RepositoryError) {
      reader = try RecordReader(json, part: .key, sizeBytesMax: KeyFile.sizeBytesMax)
      mac = try reader.record("mac")
    } catch {
      throw .corrupt(.key, place: "", reason: "the master key in it is not one")
    }
    guard let mac, let k = try mac.base64("k"), let r = try mac.base64("r"),
      let encryption = try reader.base64("encrypt"),
      k.count == SealingKey.macByteCount, r.count == SealingKey.macByteCount,
      encryption.count == SealingKey.encryptionByteCount
    else { throw reader.damage("the master key in it is not complete") }
    self.init(encryption: encryption, macK: k, macR: r)
  }

  /// The key that the 64 derived bytes of a password make.
  /// - Throws: `RepositoryError.corrupt` for another length.
  package init(derived: [UInt8]) throws(RepositoryError) {
    guard derived.count == KeyDerivation.keyByteCount else {
      throw .corrupt(.key, place: "", reason: "a derived key of \(derived.count) bytes")
    }
    self.init(
      encryption: Array(derived[..<32]), macK: Array(derived[32..<48]),
      macR: Array(derived[48...]))
  }

  /// The JSON of the master key, to be sealed into a key file.
  package func encoded() -> [UInt8] {
    var mac = RecordWriter()
    mac.field("k", base64: macK)
    mac.field("r", base64: macR)
    var writer = RecordWriter()
    writer.key("mac")
    writer.json.raw(mac.finish())
    writer.field("encrypt", base64: encryption)
    return writer.finish()
  }
}
