import FileTree
import Glibc
import ObjectStorage
import Pipelines
import Platform

/// Restores a snapshot, or a part of it, into a directory.
///
/// A planner walks the trees, makes the directories and gathers what is to be done in batches;
/// while it plans the next batch, all threads do the last: existing content is compared, the blobs
/// that are missing are read pack by pack in long pieces, opened, checked and written to all their
/// places; behind them further names of files follow and the attributes of directories, children
/// first. A file gets its name when it is complete.
///
/// An earlier file of which some blobs are kept is set aside under a temporary name first. So a run
/// that is killed leaves under each name the earlier file, the whole new one, or nothing; the next
/// run goes on with what is under the temporary names.
///
/// Nothing outside the target is ever written: every entry is reached from the descriptor of its
/// directory, no link is followed.
/// Source: the restic repository format, "restore rules".
package struct Restore {
  private let repository: Repository
  private let tree: BlobID
  private let options: RestoreOptions
  private let isCancelled: @Sendable () -> Bool
  private let observe: @Sendable (RestoreEvent) -> Void

  package init(
    _ repository: Repository, _ snapshot: SnapshotRecord, _ options: RestoreOptions,
    isCancelled: @escaping @Sendable () -> Bool = { false },
    observe: @escaping @Sendable (RestoreEvent) -> Void = { _ in }
  ) {
    self.repository = repository
    tree = snapshot.tree
    self.options = options
    self.isCancelled = isCancelled
    self.observe = observe
  }

  /// Runs to the end; gives the counts when everything is as the snapshot has it.
  /// - Throws: `RepositoryError.incomplete` of kind `corrupt` or `partial` when something could not
  ///   be restored, everything else having been; `.notFound` when nothing matches; `.cancelled`,
  ///   `.store`, `.platform` when the run was ended.
  @discardableResult
  package func run() throws(RepositoryError) -> RestoreReport {
    if options.deletesExtra, options.includes.isEmpty, Restore.isRoot(options.target) {
      throw .refused(
        reason: "a restore to / would delete everything that the snapshot does not have",
        hint: "Name another target, or say by patterns what is to be restored.")
    }
    let state = RestoreState(
      target: printable(options.target.utf8), isCancelled: isCancelled, observe: observe)
    let index = try repository.loadIndex()
    let start = try startTree(index)
    let isOld = try makeTarget()
    let root: TreeRoot
    do throws(TreeError) { root = try TreeRoot(path: options.target) } catch { throw .other(error) }
    var failure: RepositoryError?
    do throws(RepositoryError) {
      try restore(start, state, index, root, isOld: isOld)
      if options.synchronizes, FileSystem.synchronize(root.descriptor) != 0 {
        throw .platform(.last("syncfs", options.target))
      }
    } catch {
      failure = error
    }
    let report = state.current
    observe(.finished(report))
    if let failure { throw failure }
    let hasChoice = !options.includes.isEmpty || report.entriesPassedOver > 0
    if report.entryCount == 0, hasChoice, report.damageCount + report.entryProblemCount == 0 {
      throw .notFound(
        what: "nothing in the snapshot matches the patterns; nothing was restored",
        hint: "`ls` lists what the snapshot has; patterns with a leading slash start at its root.")
    }
    if let problem = RestoreState.outcome(report, isPrivileged: geteuid() == 0) { throw problem }
    return report
  }

  private static func isRoot(_ path: String) -> Bool {
    guard let resolved = realpath(path, nil) else { return false }
    defer { free(resolved) }
    return strcmp(resolved, "/") == 0
  }

  /// Makes the target with all directories above it; true when it was there.
  private func makeTarget() throws(RepositoryError) -> Bool {
    guard !options.target.isEmpty else { throw .usage("a restore needs a target directory") }
    var path = ""
    var isOld = true
    for part in options.target.split(separator: "/", omittingEmptySubsequences: false) {
      path += path.isEmpty && part.isEmpty ? "" : String(part)
      if !path.isEmpty, !part.isEmpty {
        isOld = mkdir(path, 0o700) != 0
        // Any other failure shows when the target is opened.
        if isOld, errno != EEXIST, errno != EROFS, errno != EACCES, errno != EPERM {
          throw .platform(.last("mkdir", path))
        }
      }
      path += "/"
    }
    return isOld
  }

  /// The tree that takes the place of the root. Known before the target is made, so that a folder
  /// that the snapshot does not have leaves nothing behind.
  private func startTree(_ index: BlobIndex) throws(RepositoryError) -> BlobID {
    guard let item = try TreeLister(repository, index).find(tree, options.subpath) else {
      return tree
    }
    guard item.node.facts.type == .directory, let subtree = item.node.facts.subtree else {
      throw .usage("\(options.subpath) is no directory of the snapshot; restore it by a pattern")
    }
    return subtree
  }

  private func restore(
    _ tree: BlobID, _ state: RestoreState, _ index: BlobIndex, _ root: TreeRoot, isOld: Bool
  ) throws(RepositoryError) {
    let writeBehind = options.synchronizes ? WriteBehind() : nil
    let count =
      options.threadCount
      ?? max(processorCount, min(repository.store.connectionsMax, 8)) + 1
    var workers: [RestoreWorker] = []
    for _ in 0..<max(1, count) + 1 {
      workers.append(
        try RestoreWorker(
          repository, index, options: options, root: root, state: state, writeBehind: writeBehind))
    }
    let executor = RestoreExecutor(Array(workers.dropLast()), options: options, state: state)
    let finisher = RestoreFinisher(workers[workers.count - 1], root: root, state: state)
    let batches = BoundedChannel<RestoreBatch>(countMax: 1)
    let behind = writeBehind.map { behind in Thread<Void>("write behind") { behind.run() } }
    let (repository, options) = (repository, options)
    let planning = Thread<Void>("restore plan") {
      do throws(RepositoryError) {
        let planner = try RestorePlanner(
          repository, index, options: options, root: root, state: state, batches: batches)
        try planner.run(tree, targetIsOld: isOld)
        batches.close()
      } catch {
        state.fail(error)
        batches.fail()
      }
    }
    run(batches, executor, finisher, state)
    writeBehind?.close()
    // Their bodies do not throw.
    _ = try? planning.join()
    _ = try? behind?.join()
    if let failure = state.firstFailure { throw failure }
    state.count { report in
      report.ownerProblemCount = workers.reduce(0) {
        $0 + $1.writer.attributes.ownerProblemCount
      }
    }
  }

  private func run(
    _ batches: BoundedChannel<RestoreBatch>, _ executor: RestoreExecutor,
    _ finisher: RestoreFinisher, _ state: RestoreState
  ) {
    let restored = BoundedChannel<RestoreBatch>(countMax: 1)
    let finishing = Thread<Void>("restore end") {
      // A failed channel ends the loop as a closed one does: the failure is in the state.
      while let batch = try? restored.receive() {
        do throws(RepositoryError) { try finisher.finish(batch) } catch {
          state.fail(error)
          restored.fail()
          return
        }
      }
    }
    // The same here.
    while let batch = try? batches.receive() {
      do throws(RepositoryError) {
        try executor.run(batch)
        do throws(ChannelClosed) { try restored.send(batch) } catch { try state.check() }
      } catch {
        state.fail(error)
        // What cannot be cleaned up is overwritten by the next run.
        _ = try? executor.cleanUp(batch)
        batches.fail()
        break
      }
    }
    restored.close()
    // Its body does not throw.
    _ = try? finishing.join()
  }
}
