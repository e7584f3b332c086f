/// Judges a source by what the last run that counted has found in it.
package struct SourceGuard: Sendable, Equatable {
  /// What the last run found; nil when that is not known, and nothing is judged.
  package var last: SourceTotals?
  package var files: ShareLimit
  package var bytes: ShareLimit

  package init(last: SourceTotals?, files: ShareLimit, bytes: ShareLimit) {
    self.last = last
    self.files = files
    self.bytes = bytes
  }

  /// What the source has lost, when that is too much; nil when it is not.
  package func loss(in now: SourceTotals) -> SourceLoss? {
    guard let last else { return nil }
    let lostFiles = last.fileCount - now.fileCount
    if files.isExceeded(lost: lostFiles, of: last.fileCount) {
      return SourceLoss(unit: .files, lost: lostFiles, of: last.fileCount)
    }
    let lostBytes = last.sizeBytes - now.sizeBytes
    if bytes.isExceeded(lost: lostBytes, of: last.sizeBytes) {
      return SourceLoss(unit: .bytes, lost: lostBytes, of: last.sizeBytes)
    }
    return nil
  }
}

/// How much a source has lost since the last run that counted.
package struct SourceLoss: Sendable, Equatable {
  package enum Unit: String, Sendable {
    case files
    case bytes
  }

  package var unit: Unit
  package var lost: Int64
  package var total: Int64

  package init(unit: Unit, lost: Int64, of total: Int64) {
    self.unit = unit
    self.lost = lost
    self.total = total
  }

  /// For a message that a guard begins.
  package var text: String {
    "the source has lost \(lost) of \(total) \(unit.rawValue) since the last run"
  }

  package static let hint =
    "Look at the source; when it is as it should be, let the next run pass: drover release NAME."
}

extension SourceGuard {
  package var document: JSONObject {
    var object: JSONObject = ["files": files.document, "bytes": bytes.document]
    if let last {
      object["lastFiles"] = .integer(last.fileCount)
      object["lastBytes"] = .integer(last.sizeBytes)
    }
    return object
  }

  /// Nil for what is none.
  package init?(_ object: JSONObject?) {
    guard let object, let files = ShareLimit(object["files"]),
      let bytes = ShareLimit(object["bytes"])
    else { return nil }
    let last = object["lastFiles"]?.integerValue.map {
      SourceTotals(fileCount: $0, sizeBytes: object["lastBytes"]?.integerValue ?? 0)
    }
    self.init(last: last, files: files, bytes: bytes)
  }
}
