import Platform

/// Named bytes that are no secret, such as certificates.
package struct ConfigMap: Manifest {
  package static let kind = "ConfigMap"
  package static let aliases = ["configmaps", "cm"]
  package static let apiVersion = "v1"

  package let metadata: ObjectMetadata
  /// `data` with `binaryData` decoded.
  package let data: [String: Marked<[UInt8]>]

  package init(metadata: ObjectMetadata, fields: FieldReader) {
    var data: [String: Marked<[UInt8]>] = [:]
    for (name, text) in fields.stringMap("data") {
      data[name] = Marked(Array(text.value.utf8), text.mark)
    }
    for (name, text) in fields.stringMap("binaryData") {
      guard let content = Base64.bytes(of: text.value) else {
        fields.report(text.mark, "binaryData.\(name)", "is not base64")
        continue
      }
      data[name] = Marked(content, text.mark)
    }
    fields.ignore("immutable")
    self.metadata = metadata
    self.data = data
  }
}
