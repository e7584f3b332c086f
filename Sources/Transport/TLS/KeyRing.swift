import Glibc
package import Platform

/// A pre-shared key and the name by which both ends know it.
package struct PreSharedKey: Sendable {
  /// OpenSSL's `PSK_MAX_IDENTITY_LEN` (256) less the closing NUL.
  package static let identitySizeBytesMax = 255
  /// The least that stunnel takes (delta-transport.md 4.3).
  package static let keySizeBytesMin = 16
  /// OpenSSL's `PSK_MAX_PSK_LEN`.
  package static let keySizeBytesMax = 512
  /// The size of keys that VolSync generates (volsync.md 6.1).
  package static let generatedKeySizeBytes = 64

  /// Travels in clear text.
  package let identity: [UInt8]
  package let secret: SecretBytes

  /// The identity for messages.
  package var name: String { printable(identity) }

  /// A new line for a key file: the identity and 64 random bytes in hex, no line end.
  ///
  /// - Throws: `TransportError.keyFileInvalid` when the identity does not fit into a line.
  package static func generateKeyLine(identity: String) throws(TransportError) -> String {
    if let problem = identityProblem(Array(identity.utf8)) {
      throw .keyFileInvalid(file: "--identity", line: nil, problem: problem)
    }
    let secret = unsafe SecretBytes(count: generatedKeySizeBytes) { unsafe SecureRandom.fill($0) }
    return unsafe secret.withBytes { unsafe "\(identity):\(hex($0))" }
  }

  static func identityProblem(_ identity: [UInt8]) -> String? {
    if identity.isEmpty { return "the identity is empty" }
    if identity.count > identitySizeBytesMax {
      return "the identity is longer than \(identitySizeBytesMax) bytes"
    }
    if identity.contains(0x3a) { return "the identity contains a colon" }
    if identity.contains(where: { $0 < 0x20 || $0 == 0x7f }) {
      return "the identity contains a control character"
    }
    return nil
  }
}

/// The keys of one key file, in the order of its lines; never empty.
///
/// The format is that of stunnel's `PSKsecrets`: one `<identity>:<hex>` per line, split at the
/// first colon; blank lines and CR LF are allowed, comments do not exist. Stricter than stunnel in
/// two points: a key that is not hexadecimal is refused (stunnel takes its characters as the key,
/// and so turns a typing error into another key), and so is an identity that stands twice.
///
/// Source: stunnel 5.68 `src/options.c` (`psk_read`); volsync.md 6.1.
package struct KeyRing: Sendable {
  /// Far above any real file; bounds what a wrong path can make us read.
  package static let fileSizeBytesMax = 1 << 20

  package let keys: [PreSharedKey]
  /// The file, for messages.
  package let source: String
  /// What is wrong with the file without being an error: others can read it.
  package private(set) var warnings: [String] = []

  /// Reads a key file.
  ///
  /// - Throws: `TransportError.keyFileUnreadable`, `.keyFileInvalid`.
  package init(file path: String) throws(TransportError) {
    let raw = retryingOnInterrupt { unsafe open(path, O_RDONLY | O_CLOEXEC) }
    guard raw >= 0 else { throw .keyFileUnreadable(.last("open", path)) }
    let descriptor = SharedDescriptor(owning: raw)
    var status = stat()
    guard unsafe fstat(raw, &status) == 0 else { throw .keyFileUnreadable(.last("fstat", path)) }
    var size = 0
    // One byte more than allowed, to see a file that is too large.
    let content = unsafe try SecretBytes(count: KeyRing.fileSizeBytesMax + 1) {
      (buffer) throws(TransportError) in
      size = try unsafe KeyRing.readAll(descriptor, path: path, into: buffer)
    }
    guard size <= KeyRing.fileSizeBytesMax else {
      throw .keyFileInvalid(file: path, line: nil, problem: "larger than 1 MiB, not a key file")
    }
    self = unsafe try content.withBytes { (bytes) throws(TransportError) in
      try unsafe KeyRing(parsing: UnsafeRawBufferPointer(rebasing: bytes[..<size]), source: path)
    }
    if status.st_mode & 0o077 != 0, status.st_mode & S_IFMT == S_IFREG {
      warnings.append("\(path): others can read this key file; chmod 600 it")
    }
  }

  /// Reads the text of a key file, for instance the value of a Secret; `source` says in messages
  /// where it stands.
  ///
  /// - Throws: `TransportError.keyFileInvalid`.
  package init(parsing text: UnsafeRawBufferPointer, source: String) throws(TransportError) {
    var keys: [PreSharedKey] = []
    var lineOfIdentity: [[UInt8]: Int] = [:]
    var number = 0
    let lines = unsafe text.split(separator: 0x0a, omittingEmptySubsequences: false)
    for index in unsafe lines.indices {
      number += 1
      let line = unsafe KeyRing.trimmed(UnsafeRawBufferPointer(rebasing: lines[index]))
      if unsafe line.isEmpty { continue }
      do throws(Malformed) {
        let key = try unsafe KeyRing.parse(line)
        if let earlier = lineOfIdentity.updateValue(number, forKey: key.identity) {
          throw Malformed("identity '\(key.name)' stands in line \(earlier) already")
        }
        keys.append(key)
      } catch {
        throw .keyFileInvalid(file: source, line: number, problem: error.problem)
      }
    }
    guard !keys.isEmpty else {
      throw .keyFileInvalid(file: source, line: nil, problem: "no key in it")
    }
    self.keys = keys
    self.source = source
  }

  /// The key of an identity, compared in full.
  package func key(identity: some Sequence<UInt8>) -> PreSharedKey? {
    keys.first { $0.identity.elementsEqual(identity) }
  }

  /// The key a client uses: the one of `identity`, or of the first line.
  ///
  /// - Throws: `TransportError.identityNotInKeyFile`.
  package func clientKey(identity: String? = nil) throws(TransportError) -> PreSharedKey {
    guard let identity else { return keys[0] }
    guard let key = key(identity: identity.utf8) else {
      throw .identityNotInKeyFile(printable(identity.utf8), file: source)
    }
    return key
  }
}

// MARK: - Reading

/// What is wrong with one line; never quotes it, since it holds a key.
private struct Malformed: Error {
  let problem: String
  init(_ problem: String) { self.problem = problem }
}

extension KeyRing {
  private static func readAll(
    _ descriptor: SharedDescriptor, path: String, into buffer: UnsafeMutableRawBufferPointer
  ) throws(TransportError) -> Int {
    var size = 0
    while size < buffer.count, let base = buffer.baseAddress {
      let count = retryingOnInterrupt {
        unsafe read(descriptor.raw, base + size, buffer.count - size)
      }
      guard count >= 0 else { throw .keyFileUnreadable(.last("read", path)) }
      if count == 0 { break }
      size += count
    }
    return size
  }

  /// The line without blanks and carriage returns at its end.
  private static func trimmed(_ line: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    var end = line.count
    while end > 0, unsafe [0x0d, 0x20, 0x09].contains(line[end - 1]) { end -= 1 }
    return unsafe UnsafeRawBufferPointer(rebasing: line[..<end])
  }

  private static func parse(_ line: UnsafeRawBufferPointer) throws(Malformed) -> PreSharedKey {
    guard let colon = unsafe line.firstIndex(of: 0x3a) else {
      throw Malformed(
        unsafe line[0] == 0x23
          ? "no comments are possible in a key file" : "not <identity>:<hex>: no colon")
    }
    let identity = unsafe Array(line[..<colon])
    if let problem = PreSharedKey.identityProblem(identity) { throw Malformed(problem) }
    let digits = unsafe UnsafeRawBufferPointer(rebasing: line[(colon + 1)...])
    guard digits.count.isMultiple(of: 2) else {
      throw Malformed("the key has an odd number of hexadecimal digits (\(digits.count))")
    }
    let size = digits.count / 2
    guard size >= PreSharedKey.keySizeBytesMin else {
      throw Malformed(
        "the key has \(digits.count) hexadecimal digits; at least"
          + " \(PreSharedKey.keySizeBytesMin * 2) are needed")
    }
    guard size <= PreSharedKey.keySizeBytesMax else {
      throw Malformed(
        "the key has \(digits.count) hexadecimal digits; at most"
          + " \(PreSharedKey.keySizeBytesMax * 2) are possible")
    }
    let secret = unsafe try SecretBytes(count: size) { (key) throws(Malformed) in
      for index in 0..<size {
        guard let high = unsafe digit(digits[2 * index]),
          let low = unsafe digit(digits[2 * index + 1])
        else { throw Malformed("the key is not hexadecimal") }
        unsafe key[index] = high << 4 | low
      }
    }
    return PreSharedKey(identity: identity, secret: secret)
  }

  private static func digit(_ character: UInt8) -> UInt8? {
    switch character {
    case 0x30...0x39: character - 0x30
    case 0x61...0x66: character - 0x61 + 10
    case 0x41...0x46: character - 0x41 + 10
    default: nil
    }
  }
}
