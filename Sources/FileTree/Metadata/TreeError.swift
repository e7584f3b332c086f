package import Platform

/// Limits of a tree, each with its reason.
package enum TreeLimits {
  /// Longest relative path, bytes: Linux resolves at most PATH_MAX (4096) with the NUL.
  package static let pathBytesMax = 4095
  /// Longest name, bytes: NAME_MAX of every Linux file system.
  package static let nameBytesMax = 255
  /// Most bytes of extended attributes of one entry: two values of the kernel's 64 KiB limit.
  package static let attributesBytesMax = 128 << 10
  /// Most bytes of names, targets and attributes of one directory: four million of the longest
  /// names. Offsets into them have 32 bits.
  package static let listingBytesMax = 1 << 30
}

/// Failures of reading or writing a file tree.
package enum TreeError: DroverError {
  case system(PlatformError, path: [UInt8])
  case pathTooLong(path: [UInt8])
  case attributesTooLarge(path: [UInt8])
  case malformed(String)
  case notDirectory(path: [UInt8])
  case changed(path: [UInt8])
  case directoryTooLarge(path: [UInt8])

  /// What failed, relative to the root; empty for the root itself and for bytes without a path.
  package var path: [UInt8] {
    switch self {
    case .system(_, let path), .pathTooLong(let path), .attributesTooLarge(let path),
      .notDirectory(let path), .changed(let path), .directoryTooLarge(let path):
      path
    case .malformed: []
    }
  }

  package var kind: FailureKind {
    switch self {
    case .system(let error, _): error.kind
    case .pathTooLong, .attributesTooLarge, .directoryTooLarge: .partial
    case .malformed: .corrupt
    case .notDirectory: .failed
    case .changed: .partial
    }
  }

  package var message: String {
    switch self {
    case .system(let error, let path):
      "\(printable(path.isEmpty ? [0x2e] : path)): "
        + "\(PlatformError.reason(of: error.errno)) (\(error.call))"
    case .pathTooLong(let path):
      "\(shortened(path)): path is longer than \(TreeLimits.pathBytesMax) bytes; it was left out"
    case .attributesTooLarge(let path):
      "\(printable(path)): more than \(TreeLimits.attributesBytesMax) bytes of extended attributes"
    case .malformed(let reason): "malformed entry: \(reason)"
    case .notDirectory(let path): "\(printable(path)): not a directory"
    case .directoryTooLarge(let path):
      "\(printable(path.isEmpty ? [0x2e] : path)): names and attributes of more than "
        + "\(TreeLimits.listingBytesMax) bytes; the rest of the directory was left out"
    case .changed(let path): "\(printable(path)): changed while it was read"
    }
  }

  package var hint: String? {
    if case .system(let error, _) = self { return error.hint }
    return nil
  }

  private func shortened(_ path: [UInt8]) -> String {
    path.count <= 200 ? printable(path) : printable(path.prefix(200)) + "…"
  }
}
