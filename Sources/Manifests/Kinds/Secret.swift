import Platform

/// Named bytes. They are shown nowhere.
package struct Secret: Manifest {
  package static let kind = "Secret"
  package static let apiVersion = "v1"

  package let metadata: ObjectMetadata
  /// `data` decoded, with `stringData` laid over it, as the API server does.
  package let data: [String: Marked<[UInt8]>]

  package init(metadata: ObjectMetadata, data: [String: Marked<[UInt8]>]) {
    self.metadata = metadata
    self.data = data
  }

  package init(metadata: ObjectMetadata, fields: FieldReader) {
    var data: [String: Marked<[UInt8]>] = [:]
    for (name, text) in fields.stringMap("data") {
      guard let content = Base64.bytes(of: text.value) else {
        fields.report(
          text.mark, "data.\(name)",
          "is not base64: encode the value (base64 -w0), or put it as it is under stringData")
        continue
      }
      data[name] = Marked(content, text.mark)
    }
    for (name, text) in fields.stringMap("stringData") {
      data[name] = Marked(Array(text.value.utf8), text.mark)
    }
    for (name, value) in data where !Secret.isKeyName(name) {
      fields.report(value.mark, "data", "a key holds letters, digits, -, _ and . only")
    }
    fields.ignore("immutable")
    _ = fields.string("type")
    self.metadata = metadata
    self.data = data
  }

  private static func isKeyName(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.count <= 253
      && name.utf8.allSatisfy { byte in
        (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20)
          || "-_.".utf8.contains(byte)
      }
  }
}

/// The content of `psk.txt`: lines `<identity>:<hex>`, as stunnel reads them.
package enum KeyFile {
  package static let name = "psk.txt"

  /// 16 bytes: the least stunnel accepts.
  package static let hexDigitCountMin = 32
  /// 256 bytes: OpenSSL's limit of an external key.
  package static let hexDigitCountMax = 512
  package static let identitySizeBytesMax = 128
  package static let sizeBytesMax = 64 << 10

  /// What is wrong with the content, without repeating it; nil when it can be used.
  package static func problem(in content: [UInt8]) -> String? {
    guard content.count <= sizeBytesMax else { return "is longer than \(sizeBytesMax >> 10) KiB" }
    var keyCount = 0
    let lines = content.split(separator: 0x0a, omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      let line = line.last == 0x0d ? line.dropLast() : line
      if line.isEmpty { continue }
      if let problem = problem(inLine: line) { return "line \(index + 1) of it \(problem)" }
      keyCount += 1
    }
    return keyCount == 0 ? "holds no line <identity>:<hex>" : nil
  }

  private static func problem(inLine line: ArraySlice<UInt8>) -> String? {
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
      return "is not <identity>:<hex>: the colon is missing"
    }
    let identity = line[..<colon]
    guard !identity.isEmpty else { return "has no identity before the colon" }
    guard identity.count <= identitySizeBytesMax else {
      return "has an identity longer than \(identitySizeBytesMax) bytes"
    }
    let key = line[line.index(after: colon)...]
    guard bytes(hex: String(decoding: key, as: UTF8.self)) != nil else {
      return "has a key that is not an even number of hexadecimal digits"
    }
    guard key.count >= hexDigitCountMin else {
      return "has a key of \(key.count) hexadecimal digits: at least \(hexDigitCountMin) are needed"
    }
    return key.count <= hexDigitCountMax ? nil : "has a key above \(hexDigitCountMax) digits"
  }

  /// The identity of the first line, the one a source presents.
  package static func firstIdentity(of content: [UInt8]) -> String? {
    content.split(separator: 0x0a).first { !$0.isEmpty && $0 != [0x0d] }
      .flatMap { $0.split(separator: UInt8(ascii: ":")).first }
      .map { String(decoding: $0, as: UTF8.self) }
  }

  /// A fresh key as VolSync makes it: identity `volsync`, 64 random bytes in lower-case hex, no
  /// newline.
  package static func generate() -> [UInt8] {
    Array("volsync:\(hex(SecureRandom.bytes(64)))".utf8)
  }
}
