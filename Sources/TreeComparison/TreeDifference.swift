package import FileTree
import Platform

/// Why two entries of the same path are not equal. The first value is that of A.
package enum DifferenceReason: Sendable, Equatable, CustomStringConvertible {
  case onlyInA
  case onlyInB
  case kind(EntryKind, EntryKind)
  case size(Int64, Int64)
  case content
  /// The first piece of two volumes that differs.
  case contentWithin(Range<Int64>)
  case mode(UInt16, UInt16)
  case user(UInt32, UInt32)
  case group(UInt32, UInt32)
  case modified(WallTimeText, WallTimeText)
  case target([UInt8], [UInt8])
  case device(String, String)
  /// Paths of the first member of the hard-link group; empty for none.
  case hardLink([UInt8], [UInt8])
  /// An extended attribute, or an ACL by the attribute that holds it.
  case attribute([UInt8])

  package var description: String {
    switch self {
    case .onlyInA: "only in A"
    case .onlyInB: "only in B"
    case .kind(let a, let b): "\(a.text) != \(b.text)"
    case .size(let a, let b): "size \(a) != \(b)"
    case .content: "content"
    case .contentWithin(let range):
      "content, first in bytes \(range.lowerBound) to \(range.upperBound - 1)"
    case .mode(let a, let b): "mode \(DifferenceReason.octal(a)) != \(DifferenceReason.octal(b))"
    case .user(let a, let b): "user \(a) != \(b)"
    case .group(let a, let b): "group \(a) != \(b)"
    case .modified(let a, let b): "time \(a.text) != \(b.text)"
    case .target(let a, let b): "target \(printable(a)) != \(printable(b))"
    case .device(let a, let b): "device \(a) != \(b)"
    case .hardLink(let a, let b):
      "hard link to \(DifferenceReason.link(a)) != \(DifferenceReason.link(b))"
    case .attribute(let name):
      name.withUnsafeBytes(AttributeBlock.isList)
        ? "ACL \(printable(name))" : "attribute \(printable(name))"
    }
  }

  private static func octal(_ mode: UInt16) -> String {
    let digits = String(mode, radix: 8)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }

  private static func link(_ path: [UInt8]) -> String {
    path.isEmpty ? "nothing" : printable(path)
  }
}

/// A point of time as it is shown: RFC 3339 with nanoseconds.
package struct WallTimeText: Sendable, Equatable {
  package let text: String

  package init(seconds: Int64, nanoseconds: UInt32) {
    let digits = String(nanoseconds)
    let fraction = String(repeating: "0", count: max(0, 9 - digits.count)) + digits
    text = "\(WallTime(seconds: seconds).rfc3339.dropLast()).\(fraction)Z"
  }
}

/// One difference between two trees or volumes.
package struct TreeDifference: Sendable, Equatable {
  /// Path relative to the roots; with a slash at the end for a directory, `./` for the root itself.
  package let path: [UInt8]
  /// What a copy from A to B would change, in rsync's itemized form of 11 characters:
  /// `YXcstpoguax`.
  package let change: String
  package let reasons: [DifferenceReason]

  /// The line for people: change, path, reasons.
  package var text: String {
    "\(change) \(printable(path)) (\(reasons.map(\.description).joined(separator: ", ")))"
  }
}

/// An entry, or a whole volume, that could not be read; the comparison goes on without.
package struct VerificationProblem: Sendable, Equatable {
  /// The root that was given, A or B.
  package let root: String
  /// The line for people: what could not be read, and why.
  package let text: String

  init(root: String, text: String) {
    self.root = root
    self.text = text
  }

  /// The messages of trees begin with the path below the root.
  init(root: String, _ error: TreeError) {
    self.init(
      root: root, text: root.hasSuffix("/") ? root + error.message : "\(root)/\(error.message)")
  }
}

extension EntryKind {
  /// The name in messages.
  var text: String {
    switch self {
    case .regular: "file"
    case .directory: "directory"
    case .symbolicLink: "symbolic link"
    case .fifo: "fifo"
    case .socket: "socket"
    case .characterDevice: "character device"
    case .blockDevice: "block device"
    }
  }
}
