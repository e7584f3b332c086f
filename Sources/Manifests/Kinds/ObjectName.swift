/// What names objects and namespaces may have: names that are also safe as names of files.
///
/// Source: Kubernetes object names (RFC 1123 labels and subdomains).
package enum ObjectName {
  package static let sizeBytesMax = 253
  package static let namespaceSizeBytesMax = 63

  /// What is wrong with the name of an object; nil when nothing is.
  package static func problem(inName name: String) -> String? {
    problem(name, sizeBytesMax: sizeBytesMax, allowsDots: true)
  }

  package static func problem(inNamespace name: String) -> String? {
    problem(name, sizeBytesMax: namespaceSizeBytesMax, allowsDots: false)
  }

  private static func problem(
    _ name: String, sizeBytesMax: Int, allowsDots: Bool
  ) -> String? {
    let isWord = { (byte: UInt8) in
      (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte)
    }
    let bytes = Array(name.utf8)
    let isName =
      bytes.count <= sizeBytesMax && bytes.first.map(isWord) == true
      && bytes.last.map(isWord) == true
      && bytes.allSatisfy {
        isWord($0) || $0 == UInt8(ascii: "-") || (allowsDots && $0 == UInt8(ascii: "."))
      }
    return isName
      ? nil
      : "\"\(name)\" is not a name: lower-case letters, digits and \(allowsDots ? "- or ." : "-"), "
        + "a letter or digit at both ends, at most \(sizeBytesMax) bytes"
  }
}
