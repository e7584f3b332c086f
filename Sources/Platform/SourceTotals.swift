/// What a source holds: regular files and the bytes in them.
package struct SourceTotals: Sendable, Equatable {
  package var fileCount: Int64
  package var sizeBytes: Int64

  package init(fileCount: Int64 = 0, sizeBytes: Int64 = 0) {
    self.fileCount = fileCount
    self.sizeBytes = sizeBytes
  }
}
