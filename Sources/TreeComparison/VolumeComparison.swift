import Platform

/// Compares the bytes of two block devices or raw images: each is read and hashed by a thread of
/// its own, and both tell piece by piece what they have seen, so that the first difference has a
/// place.
struct VolumeComparison {
  private let pathA: String
  private let pathB: String
  private let options: VerificationOptions
  private let report: VerificationReport

  init(
    _ a: String, _ b: String, _ options: VerificationOptions, _ report: VerificationReport
  ) {
    pathA = a
    pathB = b
    self.options = options
    self.report = report
  }

  func run() throws -> VerificationOutcome {
    let a = try VolumeReader(pathA)
    let b = try VolumeReader(pathB)
    var reasons: [DifferenceReason] = []
    if a.sizeBytes != b.sizeBytes { reasons.append(.size(a.sizeBytes, b.sizeBytes)) }
    report.outcome.entryCount = 1
    report.outcome.a = a.summary
    report.outcome.b = b.summary
    if options.comparesContent, options.computesDigests || reasons.isEmpty {
      if let range = try read(a, b) { reasons.append(.contentWithin(range)) }
    }
    if !reasons.isEmpty {
      let hasSize = a.sizeBytes != b.sizeBytes
      report.tell(
        TreeDifference(
          path: Array(".".utf8), change: hasSize ? ">f.s......." : ">fc........",
          reasons: reasons))
    }
    return report.outcome
  }

  /// Reads both volumes; gives the first piece that differs.
  private func read(_ a: VolumeReader, _ b: VolumeReader) throws -> Range<Int64>? {
    a.start()
    b.start()
    defer {
      a.stop()
      b.stop()
    }
    var join = MergeJoin(
      left: { try a.next() }, right: { try b.next() },
      order: { Int($0.offset - $1.offset) })
    var first: Range<Int64>?
    while let place = try join.next() {
      guard first == nil, case .both(let left, let right) = place else { continue }
      // A shorter last piece is a matter of the size.
      if left.count == right.count, left.digest != right.digest {
        first = left.offset..<left.offset + Int64(left.count)
      }
    }
    report.outcome.a.fullDigest = try tellProblem(a)
    report.outcome.b.fullDigest = try tellProblem(b)
    return first
  }

  private func tellProblem(_ reader: VolumeReader) throws -> [UInt8]? {
    switch try reader.digest() {
    case .success(let digest): return digest
    case .failure(let error):
      let named = PlatformError(error.call, reader.path, errno: error.errno)
      report.tell(VerificationProblem(root: reader.path, text: named.message))
      return nil
    }
  }
}
