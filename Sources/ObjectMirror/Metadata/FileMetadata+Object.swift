import ObjectStorage
import Platform

/// Metadata of objects: what they get of a file, and what a file gets of them.
extension FileMetadata {
  /// Adds the pairs and the headers; gives the names of what an object cannot have. Text that is
  /// not ASCII is among it: stores and proxies disagree about such headers.
  func describe(_ attributes: inout S3Attributes) -> [[UInt8]] {
    let encoded = encoded()
    var dropped = encoded.dropped
    func text(_ name: String, _ value: [UInt8]) -> String? {
      guard value.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }) else {
        dropped.append(Array(name.utf8))
        return nil
      }
      return String(decoding: value, as: UTF8.self)
    }
    for (name, value) in encoded.pairs.sorted(by: { $0.key < $1.key }) {
      guard let value = text(name, value) else { continue }
      attributes.metadata.removeAll { $0.name == name }
      attributes.metadata.append((name, value))
    }
    for (name, value) in encoded.headers.sorted(by: { $0.key < $1.key }) {
      guard let value = text(name, value) else { continue }
      switch name {
      case "cache-control": attributes.cacheControl = value
      case "content-disposition": attributes.contentDisposition = value
      case "content-encoding": attributes.contentEncoding = value
      case "content-language": attributes.contentLanguage = value
      case "content-type": attributes.contentType = value
      default: attributes.tagging = value
      }
    }
    return dropped
  }

  /// What an object has. Its content type counts only when it is not the one that its name has.
  init(of head: S3ObjectHead, usualType: String) {
    var pairs: [String: [UInt8]] = [:]
    for (name, value) in head.attributes.metadata { pairs[name] = Array(value.utf8) }
    self.init(pairs: pairs)
    let attributes = head.attributes
    let type = attributes.contentType.flatMap { $0 == usualType ? nil : $0 }
    let headers: [(String, String?)] = [
      ("cache-control", attributes.cacheControl),
      ("content-disposition", attributes.contentDisposition),
      ("content-encoding", attributes.contentEncoding),
      ("content-language", attributes.contentLanguage), ("content-type", type),
    ]
    for (name, value) in headers {
      guard let value else { continue }
      self.attributes.append(Attribute(name: Array(name.utf8), value: Array(value.utf8)))
    }
  }
}
