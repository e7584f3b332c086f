import ObjectStorage
import Platform

/// Keeps the metadata of files (`--metadata`), and says what cannot be kept. Any thread may call.
package final class MetadataKeeper: Sendable {
  private let warn: @Sendable (String) -> Void

  package init(warn: @escaping @Sendable (String) -> Void) { self.warn = warn }

  /// Gives an object's attributes what the file has.
  func describe(_ file: SourceFile, _ attributes: inout S3Attributes) throws(MirrorError) {
    let dropped = try file.metadata().describe(&attributes)
    guard !dropped.isEmpty else { return }
    let names = dropped.map { printable($0) }.joined(separator: ", ")
    warn("\(printable(file.path)): the store cannot keep these attributes: \(names)")
  }

  /// Says what a file could not be given.
  func tell(_ missing: [String], _ path: [UInt8]) {
    guard !missing.isEmpty else { return }
    let names = missing.map { printable($0.utf8) }.joined(separator: ", ")
    warn("\(printable(path)): not set: \(names)")
  }
}
