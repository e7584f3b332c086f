import BackupRepository
import ObjectMirror
import Platform

/// A volume to its remotes (VolSync reference 9): first the files, then `permissions.facl` in one
/// step, so that there is always one.
struct RcloneSourceRun {
  private let access: RcloneAccess

  init(_ access: RcloneAccess) { self.access = access }

  /// Runs to the end; blocks.
  /// - Throws: `RcloneError` when nothing has been done, or nothing at any remote; then the summary
  ///   has been told when there are several.
  func run() throws(RcloneError) -> RcloneSummary {
    let clock = SystemClock()
    let began = clock.monotonicTime()
    let volume = try access.volume()
    try refuseVolume()
    var outcomes = try RcloneTransfer(access).push(volume, to: access.job.remotes)
    if access.isCancelled() { throw .mirror(.cancelled) }
    var shortfalls: [String] = []
    if outcomes.contains(where: { $0.failure == nil }) {
      try storePermissions(of: volume, to: &outcomes, &shortfalls)
    }
    if access.isCancelled() { throw .mirror(.cancelled) }
    var summary = RcloneSummary(.source)
    summary.seconds = clock.monotonicTime().seconds(since: began)
    summary.shortfalls = shortfalls
    for outcome in outcomes { summary.add(outcome, at: clock.wallTime()) }
    if outcomes.count == 1 { summary.remotes = [] }
    let failures = outcomes.compactMap(\.failure)
    guard let first = failures.first, failures.count == outcomes.count else { return summary }
    if outcomes.count > 1 { access.tell(.summary(.rclone(summary))) }
    throw first
  }

  private func refuseVolume() throws(RcloneError) {
    let root = access.job.root
    let names: [[UInt8]]
    do throws(PlatformError) { names = try DirectoryNames.all(in: Array(root.utf8)) } catch {
      throw .mirror(.local(error, path: Array(root.utf8)))
    }
    let isOwn = names.contains { $0.elementsEqual(PermissionsFile.name.utf8) }
    guard !isOwn else { throw .permissionsFileInVolume(path: root) }
    let isEmpty = names.allSatisfy { $0.elementsEqual("lost+found".utf8) }
    guard !isEmpty || access.job.allowsEmpty else { throw .emptyVolume(path: root) }
  }

  /// Writes the permissions once, and stores them at every remote that has its files.
  private func storePermissions(
    of volume: LocalSide, to outcomes: inout [RcloneTransferOutcome],
    _ shortfalls: inout [String]
  ) throws(RcloneError) {
    let report = PermissionReport(access.tell)
    let file = try access.mirroring { () throws(MirrorError) in
      try PermissionsFile(in: access.temporaryDirectory)
    }
    let figures = try access.mirroring { () throws(MirrorError) in
      try file.write(of: volume.root, access.selection, isCancelled: access.isCancelled) {
        report.take($0)
      }
    }
    shortfalls += report.shortfalls(of: figures)
    for index in outcomes.indices {
      guard outcomes[index].failure == nil, let side = outcomes[index].side else { continue }
      do throws(MirrorError) {
        let isStored = try file.store(to: side)
        if isStored {
          access.tell(
            .note("\(outcomes[index].remote.address): stored \(figures.entryCount) permissions"))
        }
      } catch {
        outcomes[index].failure = .mirror(error)
      }
    }
  }
}
