import Glibc
import ObjectMirror
import Platform

/// A remote to a volume (VolSync reference 9): the files, then what `permissions.facl` says of
/// them. A remote that holds nothing restores nothing, and says so.
struct RcloneDestinationRun {
  private let access: RcloneAccess

  init(_ access: RcloneAccess) { self.access = access }

  /// Runs to the end; blocks. What is made can be read by nobody else until it has its permissions.
  /// - Throws: `RcloneError`.
  func run() throws(RcloneError) -> RcloneSummary {
    let clock = SystemClock()
    let began = clock.monotonicTime()
    let volume = try access.volume()
    let address = access.job.remotes[0].address
    let remote = try access.side(address, absence: .refuse)
    var summary = RcloneSummary(.destination)
    for attempt in 1...access.settings.attemptCount {
      if let done = try restore(remote, address, to: volume) {
        summary.figures = done.figures
        summary.shortfalls = done.shortfalls
        summary.seconds = clock.monotonicTime().seconds(since: began)
        return summary
      }
      access.tell(.note("\(address) was written to while it was read (attempt \(attempt))"))
    }
    throw .changedMeanwhile(remote: address)
  }

  /// Nil when the source has written meanwhile, so that files and permissions may not belong
  /// together.
  private func restore(
    _ remote: MirrorSide, _ address: String, to volume: LocalSide
  ) throws(RcloneError) -> (figures: MirrorFigures, shortfalls: [String])? {
    let file = try access.mirroring { () throws(MirrorError) in
      try PermissionsFile(in: access.temporaryDirectory)
    }
    let version = try version(at: remote)
    let hasFiles = try hasFiles(remote)
    let isFetched = try access.mirroring { () throws(MirrorError) in
      try file.fetch(from: remote)
    }
    guard let version, isFetched else {
      throw hasFiles ? .noPermissions(remote: address) : .nothingToRestore(remote: address)
    }
    let report = PermissionReport(access.tell)
    let pass = PermissionPass(
      volume.root, access.selection, temporaryDirectory: access.temporaryDirectory,
      isCancelled: access.isCancelled
    ) {
      report.take($0)
    }
    let contents = try access.mirroring { () throws(MirrorError) in
      try PermissionPass.contents(of: try file.reader(), access.selection)
    }
    guard contents.isWorthRestoring(hasFiles: hasFiles) || access.job.allowsEmpty else {
      throw .nothingToRestore(remote: address)
    }
    guard contents.hasEntries || !hasFiles else { throw .emptyPermissions(remote: address) }
    try access.mirroring { () throws(MirrorError) in try pass.prepare(try file.reader()) }
    var shortfalls: [String] = []
    let figures = try RcloneTransfer(access).pull(remote, to: volume, &shortfalls)
    guard try self.version(at: remote) == version else { return nil }
    let permissions = try access.mirroring { () throws(MirrorError) in
      try pass.finish(try file.reader(), removesUnlisted: figures.errorCount == 0)
    }
    return (figures, shortfalls + report.shortfalls(of: permissions))
  }

  private func version(at remote: MirrorSide) throws(RcloneError) -> String? {
    try access.mirroring { () throws(MirrorError) in try PermissionsFile.version(at: remote) }
  }

  /// Whether the remote has a file that takes part; a bucket that is not there has none.
  private func hasFiles(_ remote: MirrorSide) throws(RcloneError) -> Bool {
    var isFound = false
    let contents = SideContents(remote, filter: access.selection.filter) { _ in }
    do throws(MirrorError) {
      try contents.forEach { entry in
        isFound = !entry.isDirectory
        return !isFound
      }
    } catch {
      if case .noSource = error { return false }
      throw .mirror(error)
    }
    return isFound
  }
}
