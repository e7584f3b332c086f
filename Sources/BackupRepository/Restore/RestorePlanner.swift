import FileTree
import Glibc
import Pipelines
import Platform

/// Walks the snapshot, makes the directories, and hands over what is to be done in batches. The
/// body of one thread.
final class RestorePlanner {
  /// A directory that is being walked.
  final class Frame {
    let tree: Tree
    /// Relative to the target.
    let path: [UInt8]
    /// The same from the root on, for patterns.
    let patternPath: [UInt8]
    let isSelected: Bool
    /// Its own node, in the tree of the frame above.
    let node: Node?
    var next = 0
    /// Everything of the directory's tree is known: what is not in it is extra.
    let isComplete: Bool
    /// It is there: made, or found.
    var isMade = false
    /// It was there before: names may stand in the way.
    var isOld = false
    var extras: [[UInt8]] = []
    var leftovers: [[UInt8]] = []
    /// Entries of the directory in the current batch.
    var listing: DirectoryListing

    init(
      _ tree: Tree, path: [UInt8], patternPath: [UInt8], node: Node?, isSelected: Bool,
      isComplete: Bool
    ) {
      self.tree = tree
      self.path = path
      self.patternPath = patternPath
      self.node = node
      self.isSelected = isSelected
      self.isComplete = isComplete
      listing = DirectoryListing(path: path)
    }
  }

  let index: BlobIndex
  let options: RestoreOptions
  let state: RestoreState
  let writer: TreeWriter
  private let lister: TreeLister
  private let batches: BoundedChannel<RestoreBatch>
  private let removal: TreeRemoval
  let links = HardLinkTable()
  /// Inodes of the target that have several names and whose content is kept for a first name.
  var claimed: Set<[UInt64]> = []
  private(set) var batch = RestoreBatch()
  /// The first batches are small, so that the other threads start soon.
  private var itemCountMax = 1024
  private var frames: [Frame] = []

  init(
    _ repository: Repository, _ index: BlobIndex, options: RestoreOptions, root: TreeRoot,
    state: RestoreState, batches: BoundedChannel<RestoreBatch>
  ) throws(RepositoryError) {
    self.index = index
    self.options = options
    self.state = state
    self.batches = batches
    lister = try TreeLister(repository, index)
    writer = TreeWriter(root: root) { path, message in state.problem(.attribute, path, message) }
    removal = TreeRemoval(root: root, filter: FilterRules())
  }

  /// Plans the tree of a snapshot, or of a directory in it.
  func run(_ root: BlobID, targetIsOld: Bool) throws(RepositoryError) {
    let tree = try lister.tree(root)
    tell(tree, [])
    let frame = Frame(
      tree, path: [], patternPath: [], node: nil, isSelected: true,
      isComplete: tree.damageCount == 0)
    frame.isMade = true
    if targetIsOld {
      do throws(TreeError) { try readOld(frame) } catch { try state.entryFailed(error) }
    }
    frames.append(frame)
    while let frame = frames.last {
      try state.check()
      if frame.next == frame.tree.nodes.count {
        leave(frame)
        frames.removeLast()
      } else {
        let node = frame.tree.nodes[frame.next]
        frame.next += 1
        try visit(node, frame)
      }
      if batch.isFull(itemCountMax) { try handOver() }
    }
    state.count { $0.isPlanned = true }
    try handOver()
  }

  private func handOver() throws(RepositoryError) {
    guard !batch.isEmpty else { return }
    batch.seal()
    // The batch's threads read these listings from now on.
    for frame in frames where !frame.listing.entries.isEmpty {
      frame.listing = DirectoryListing(path: frame.path)
    }
    do throws(ChannelClosed) { try batches.send(batch) } catch {
      try state.check()
      throw .cancelled
    }
    batch = RestoreBatch()
    itemCountMax = min(itemCountMax * 2, RestoreLimits.batchItemCountMax)
  }

  private func tell(_ tree: Tree, _ path: [UInt8]) {
    for damage in tree.damage {
      state.problem(.damage, path, "a node was left out: \(damage.name): \(damage.reason)")
    }
  }

  // MARK: Selection

  /// Whether a path is restored, and whether something below it may be.
  private func selection(_ path: [UInt8], isDirectory: Bool) -> (isSelected: Bool, descends: Bool) {
    var isSelected = true
    var descends = isDirectory
    if !options.includes.isEmpty {
      let verdict = options.includes.includes(path)
      isSelected = verdict.isMatch
      descends = isDirectory && verdict.mayHoldMatches
    }
    if !options.excludes.isEmpty, options.excludes.excludes(path) { return (false, false) }
    return (isSelected, descends)
  }

  private func visit(_ node: Node, _ frame: Frame) throws(RepositoryError) {
    let isDirectory = node.facts.type == .directory
    let name = frame.tree.name(of: node)
    let hasPatterns = !options.includes.isEmpty || !options.excludes.isEmpty
    let patternPath = hasPatterns ? frame.patternPath + [0x2f] + name : []
    let selection =
      hasPatterns
      ? selection(patternPath, isDirectory: isDirectory) : (isSelected: true, descends: isDirectory)
    guard selection.isSelected || selection.descends else {
      return state.count { $0.entriesPassedOver += 1 }
    }
    let path = name.withUnsafeBytes { frame.path.appending($0) }
    guard path.count <= TreeLimits.pathBytesMax, name.count <= TreeLimits.nameBytesMax else {
      return state.entryFailed(.entry, Array(path.prefix(255)), "its path or name is too long")
    }
    guard isDirectory else {
      if try make(frames.count - 1) { try plan(node, frame, path) }
      return
    }
    try enter(node, frame, path, patternPath, isSelected: selection.isSelected)
  }

  private func enter(
    _ node: Node, _ frame: Frame, _ path: [UInt8], _ patternPath: [UInt8], isSelected: Bool
  ) throws(RepositoryError) {
    var tree = Tree()
    var isComplete = false
    do throws(RepositoryError) {
      guard let id = node.facts.subtree else { return }
      tree = try lister.tree(id)
      isComplete = tree.damageCount == 0
      tell(tree, path)
    } catch {
      guard error.isDamage else { throw error }
      state.problem(.damage, path, "its content is lost: \(error.description)")
    }
    frames.append(
      Frame(
        tree, path: path, patternPath: patternPath, node: node, isSelected: isSelected,
        isComplete: isComplete))
    if isSelected, try !make(frames.count - 1) { frames.removeLast() }
  }

  // MARK: Directories

  /// Makes the directories of the frames up to `number` that are not there yet; false when that
  /// is not possible, which has been told.
  private func make(_ number: Int) throws(RepositoryError) -> Bool {
    if frames[number].isMade { return true }
    for frame in frames[1...number] where !frame.isMade {
      do throws(TreeError) {
        guard try make(frame) else {
          skip(from: frame)
          return false
        }
      } catch {
        try state.entryFailed(error)
        skip(from: frame)
        return false
      }
      state.count { $0.directories += 1 }
    }
    return true
  }

  /// Passes over what is left of a directory that cannot be made, and of those in it.
  private func skip(from frame: Frame) {
    guard let start = frames.firstIndex(where: { $0 === frame }) else { return }
    for frame in frames[start...] { frame.next = frame.tree.nodes.count }
  }

  private func make(_ frame: Frame) throws(TreeError) -> Bool {
    let (directory, name) = frame.path.splitLast()
    let parent = try writer.directories.descriptor(of: directory)
    let mode: mode_t = 0o700
    if name.withCString({ mkdirat(parent, $0, mode) }) == 0 {
      frame.isMade = true
      return true
    }
    guard errno == EEXIST else { throw .system(.last("mkdirat"), path: frame.path) }
    var status = stat()
    guard name.withCString({ fstatat(parent, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0 else {
      throw .system(.last("fstatat"), path: frame.path)
    }
    if status.st_mode & S_IFMT == S_IFDIR {
      takeRight(frame, status)
      frame.isMade = true
      try readOld(frame)
      return true
    }
    guard options.overwrite != .never else {
      state.entryFailed(.entry, frame.path, "something else stands where a directory has to be")
      return false
    }
    guard name.withCString({ unlinkat(parent, $0, 0) }) == 0,
      name.withCString({ mkdirat(parent, $0, mode) }) == 0
    else { throw .system(.last("mkdirat"), path: frame.path) }
    frame.isMade = true
    return true
  }

  /// An owner without privilege takes the right to write into a directory.
  private func takeRight(_ frame: Frame, _ status: stat) {
    guard geteuid() != 0, status.st_mode & 0o700 != 0o700 else { return }
    let raw = writer.root.openRaw(frame.path, flags: FileSystem.openPath | O_DIRECTORY)
    guard raw >= 0 else { return }
    // When that is refused, what follows fails and says so.
    _ = chmod("/proc/self/fd/\(raw)", (status.st_mode & 0o7777) | 0o700)
    close(raw)
  }

  /// Notes what an older directory holds.
  private func readOld(_ frame: Frame) throws(TreeError) {
    frame.isOld = true
    let found = try ExistingDirectory(writer.root, frame.path)
    frame.leftovers = found.leftovers
    guard options.deletesExtra, frame.isComplete else { return }
    frame.extras = found.names.filter { name in
      if name.withUnsafeBytes({ frame.tree.index(of: $0) }) != nil { return false }
      // Whether it is a directory does not matter to a match of the name itself.
      return selection(frame.patternPath + [0x2f] + name, isDirectory: false).isSelected
    }
  }

  /// Everything of a directory is planned: its attributes can follow.
  private func leave(_ frame: Frame) {
    guard frame.isMade else { return }
    var number: Int?
    if let node = frame.node, frames.count >= 2 {
      let tree = frames[frames.count - 2].tree
      number = batch.directoryEntries.append(node, of: tree, as: .directory, named: frame.path)
    }
    batch.directories.append(
      RestoreDirectory(
        entryNumber: number, path: frame.path, extras: frame.extras, leftovers: frame.leftovers))
  }
}
