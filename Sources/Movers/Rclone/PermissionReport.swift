import ObjectMirror
import Platform

/// Tells of permissions what people should know, and counts what is lacking. Confined to one
/// thread.
final class PermissionReport {
  /// Lines of each kind; the rest is counted.
  private static let lineCountMax = 1000
  private static let nameCountMax = 5

  private let tell: (MoverEvent) -> Void
  private var lineCount = 0
  private var leftOut: [String] = []
  private var missing: [String] = []
  private var unlisted: [String] = []

  init(_ tell: @escaping (MoverEvent) -> Void) { self.tell = tell }

  func take(_ event: PermissionEvent) {
    func keep(_ path: [UInt8], in names: inout [String]) {
      if names.count < PermissionReport.nameCountMax { names.append(printable(path)) }
    }
    switch event {
    case .problem(let path, let message): warn(path, message)
    case .missing(let path, isFile: true): warn(path, "the remote does not have it")
    case .missing(let path, isFile: false): keep(path, in: &missing)
    case .leftOut(let path): keep(path, in: &leftOut)
    case .unlisted(let path): keep(path, in: &unlisted)
    }
  }

  private func warn(_ path: [UInt8], _ message: String) {
    guard lineCount < PermissionReport.lineCountMax else { return }
    lineCount += 1
    tell(.warning(of: printable(path.isEmpty ? [0x2e] : path), message))
  }

  /// What keeps the run from being complete; tells the rest.
  func shortfalls(of figures: PermissionFigures) -> [String] {
    func note(_ count: Int64, _ names: [String], _ text: String) {
      guard count > 0 else { return }
      let more = count > Int64(names.count) ? ", …" : ""
      tell(.note("\(text): \(count) (\(names.joined(separator: ", "))\(more))"))
    }
    note(figures.leftOutCount, leftOut, "devices, fifos and sockets were left out")
    note(
      figures.missingOtherCount, missing,
      "\(PermissionsFile.name) has what the remote cannot have (empty directories, devices)")
    note(figures.unlistedCount, unlisted, "files without an entry in \(PermissionsFile.name)")
    var shortfalls: [String] = []
    if figures.missingFileCount > 0 {
      shortfalls.append("\(figures.missingFileCount) files are not at the remote")
    }
    if figures.problemCount > 0 {
      shortfalls.append("\(figures.problemCount) entries could not be read or applied")
    }
    if figures.ownerProblemCount > 0 {
      shortfalls.append("\(figures.ownerProblemCount) entries could not be given their owners")
    }
    return shortfalls
  }
}
