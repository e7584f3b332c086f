package import FileTree
import Glibc
package import Platform

/// Choices of a comparison.
package struct VerificationOptions: Sendable {
  package var filter = FilterRules()
  package var oneFileSystem = false
  /// Reads the files; without, equal size and time count as equal content.
  package var comparesContent = true
  /// With content: reads every file of both sides, for the digests of profile `full`. Without, only
  /// those are read that stand on both sides with the same size.
  package var computesDigests = true
  /// User and group of entries may differ; the digests leave them out.
  package var ignoresOwner = false

  package init() {}

  /// The profile of ``SideSummary/fullDigest`` when there is one, else of the quick digest.
  package var profile: TreeDigestProfile {
    TreeDigestProfile(
      hasContent: comparesContent && computesDigests, hasOwners: !ignoresOwner)
  }
}

/// The outcome of a comparison that came to its end.
package struct VerificationOutcome: Sendable {
  package internal(set) var a = SideSummary()
  package internal(set) var b = SideSummary()
  /// Paths that stand on at least one side, the root included.
  package internal(set) var entryCount: Int64 = 0
  package internal(set) var differenceCount: Int64 = 0
  /// Entries that could not be read, and so not compared.
  package internal(set) var problemCount: Int64 = 0

  /// Bytes of files of the larger side.
  package var sizeBytes: Int64 { max(a.sizeBytes, b.sizeBytes) }

  /// Nothing differs and everything could be read.
  package var isEqual: Bool { differenceCount == 0 && problemCount == 0 }

  /// What the outcome means for the exit code; nil when the two sides are equal. A difference
  /// counts more than what could not be compared.
  package var failureKind: FailureKind? {
    if differenceCount > 0 { return .different }
    return problemCount > 0 ? .partial : nil
  }
}

/// A comparison that could not be made at all.
package enum VerificationError: DroverError, Equatable {
  case root(PlatformError, path: String)
  case unsuitable(path: String)
  case unlike(directory: String, volume: String)

  package var kind: FailureKind {
    switch self {
    case .root(let error, _): error.kind
    case .unsuitable, .unlike: .usage
    }
  }

  package var message: String {
    switch self {
    case .root(let error, let path):
      "\(path): \(PlatformError.reason(of: error.errno)) (\(error.call))"
    case .unsuitable(let path): "\(path): neither a directory nor a block device or image"
    case .unlike(let directory, let volume):
      "\(directory) is a directory and \(volume) is a volume: they cannot be compared"
    }
  }

  package var hint: String? {
    switch self {
    case .root: nil
    case .unsuitable: "Name a directory, a block device or a file with the image of one."
    case .unlike: "Mount the volume and name its mount point."
    }
  }
}

/// Says whether two volumes are equal, and what differs: trees by all attributes and content, block
/// devices and raw images by their bytes.
package enum TreeVerification {
  /// Compares two roots, each a directory, a block device or a raw image.
  ///
  /// Both handlers are called on the calling thread, in walk order. Reads only, and blocks until
  /// all is compared: up to two threads walk and two read and hash.
  ///
  /// - Throws: ``VerificationError`` for a root that cannot be used, ``TreeError`` for one that
  ///   cannot be read. What cannot be read below a root is told as a problem and counted.
  package static func compare(
    _ a: String, _ b: String, options: VerificationOptions,
    onProblem: @escaping (VerificationProblem) -> Void = { _ in },
    onDifference: @escaping (TreeDifference) -> Void
  ) throws -> VerificationOutcome {
    let report = VerificationReport(onProblem: onProblem, onDifference: onDifference)
    switch (try isDirectory(a), try isDirectory(b)) {
    case (true, true):
      let comparison = try TreePairComparison(
        try TreeRoot(path: a), try TreeRoot(path: b), options, report)
      return try comparison.run()
    case (false, false):
      return try VolumeComparison(a, b, options, report).run()
    case (true, false): throw VerificationError.unlike(directory: a, volume: b)
    case (false, true): throw VerificationError.unlike(directory: b, volume: a)
    }
  }

  private static func isDirectory(_ path: String) throws(VerificationError) -> Bool {
    var status = Glibc.stat()
    guard stat(path, &status) == 0 else { throw .root(.last("stat"), path: path) }
    switch status.st_mode & S_IFMT {
    case S_IFDIR: return true
    case S_IFREG, S_IFBLK: return false
    default: throw .unsuitable(path: path)
    }
  }
}

/// Counts and hands on what a comparison finds.
final class VerificationReport {
  private let onProblem: (VerificationProblem) -> Void
  private let onDifference: (TreeDifference) -> Void
  var outcome = VerificationOutcome()

  init(
    onProblem: @escaping (VerificationProblem) -> Void,
    onDifference: @escaping (TreeDifference) -> Void
  ) {
    self.onProblem = onProblem
    self.onDifference = onDifference
  }

  func tell(_ difference: TreeDifference) {
    outcome.differenceCount += 1
    onDifference(difference)
  }

  func tell(_ problem: VerificationProblem) {
    outcome.problemCount += 1
    onProblem(problem)
  }
}
