import Platform

/// Which blobs snapshots use: a walk over all trees on several threads, each tree once.
enum UsedBlobs {
  /// What a walk is told and asked.
  struct Options: Sendable {
    var tolerance = TreeTolerance.tolerant
    var threadCount = 2
    var isCancelled: @Sendable () -> Bool = { false }

    init() {}
  }

  /// Walks all trees that `roots` lead to and gives the set of blobs met.
  ///
  /// Handlers are called from the threads of the walk, several at a time. `visitBlob` gets each
  /// blob once, trees included, with whether the index has it; `visitTree` each tree that could be
  /// read, once; `onDamage` each that could not. Trees are taken from the end of a stack, so that
  /// memory is bounded by the directories next to a path and not by the size of the snapshots.
  /// - Throws: what a handler throws, `RepositoryError.cancelled`, `.store`.
  @discardableResult
  static func walk(
    _ repository: Repository, _ index: BlobIndex, roots: [BlobID], options: Options = Options(),
    visitTree: @escaping @Sendable (BlobID, Tree) throws(RepositoryError) -> Void = { _, _ in },
    visitBlob: @escaping @Sendable (BlobHandle, _ isIndexed: Bool) throws(RepositoryError) -> Void =
      { _, _ in },
    onDamage: @escaping @Sendable (BlobID, RepositoryError) throws(RepositoryError) -> Void
  ) throws(RepositoryError) -> UsedBlobSet {
    let set = UsedBlobSet(index)
    let walk = TreeWalkState(
      repository, index, set, options, visitTree: visitTree, visitBlob: visitBlob,
      onDamage: onDamage)
    for root in roots { try walk.add(root) }
    let threads = (0..<max(1, options.threadCount)).map { _ in
      Thread<Void>("tree walk") { walk.run() }
    }
    // Their bodies do not throw.
    for thread in threads { _ = try? thread.join() }
    if let failure = walk.failure { throw failure }
    return set
  }
}

/// A set of blobs that mostly stand in an index: a bit for each entry of the index, and a table for
/// those that are missing there. Shared by all threads.
final class UsedBlobSet: Sendable {
  private let index: BlobIndex
  private let known: EntryBitmap
  private let strangers = PendingIndex()

  init(_ index: BlobIndex) {
    self.index = index
    known = EntryBitmap(entryCount: index.numberCount)
  }

  /// Adds a blob; tells whether it is new, and whether the index has it.
  func insert(_ blob: BlobHandle) throws(RepositoryError) -> (isNew: Bool, isIndexed: Bool) {
    guard
      let number = try index.reading({ (index) throws(IndexError) in try index.number(of: blob) })
    else { return (strangers.insertIfAbsent(blob), false) }
    return (known.insert(number), true)
  }

  func contains(_ blob: BlobHandle) throws(RepositoryError) -> Bool {
    guard
      let number = try index.reading({ (index) throws(IndexError) in try index.number(of: blob) })
    else { return strangers.contains(blob) }
    return known.contains(number)
  }

  var count: Int { known.count + strangers.count }
  /// Blobs that are used but that the index does not have.
  var strangerCount: Int { strangers.count }
}

extension BlobIndex {
  /// Numbers of entries are below this.
  var numberCount: Int { segments.reduce(0) { $0 + $1.segment.header.entryCount } }

  /// A number for the blob, the same for all its copies; nil when the repository has none.
  func number(of blob: BlobHandle) throws(IndexError) -> Int? {
    var base = 0
    for served in segments {
      let segment = served.segment
      let section = IndexSection(blob.type)
      if try served.contains(section, blob.id) {
        for earlier in IndexSection.allCases where earlier.rawValue < section.rawValue {
          base += segment.entryCount(earlier)
        }
        return base + (try segment.lowerBound(section, blob.id.words))
      }
      base += segment.header.entryCount
    }
    return nil
  }

  /// A call of the index in the terms of the repository.
  func reading<Result>(
    _ body: (BlobIndex) throws(IndexError) -> Result
  ) throws(RepositoryError) -> Result {
    do throws(IndexError) { return try body(self) } catch { throw RepositoryError(error) }
  }
}

/// The trees that wait, and the threads' end: when none waits and nobody reads one.
private final class TreeWalkState: @unchecked Sendable {
  private let repository: Repository
  private let index: BlobIndex
  private let set: UsedBlobSet
  private let options: UsedBlobs.Options
  private let visitTree: @Sendable (BlobID, Tree) throws(RepositoryError) -> Void
  private let visitBlob: @Sendable (BlobHandle, Bool) throws(RepositoryError) -> Void
  private let onDamage: @Sendable (BlobID, RepositoryError) throws(RepositoryError) -> Void

  private let lock = Lock()
  private let changed: Condition
  private var waiting: [BlobID] = []
  private var readingCount = 0
  private var firstFailure: RepositoryError?

  init(
    _ repository: Repository, _ index: BlobIndex, _ set: UsedBlobSet, _ options: UsedBlobs.Options,
    visitTree: @escaping @Sendable (BlobID, Tree) throws(RepositoryError) -> Void,
    visitBlob: @escaping @Sendable (BlobHandle, Bool) throws(RepositoryError) -> Void,
    onDamage: @escaping @Sendable (BlobID, RepositoryError) throws(RepositoryError) -> Void
  ) {
    self.repository = repository
    self.index = index
    self.set = set
    self.options = options
    self.visitTree = visitTree
    self.visitBlob = visitBlob
    self.onDamage = onDamage
    changed = Condition(lock)
  }

  var failure: RepositoryError? { lock.withLock { firstFailure } }

  /// Notes a tree to be read unless it was met before.
  func add(_ tree: BlobID) throws(RepositoryError) {
    guard try note(BlobHandle(.tree, tree)) else { return }
    lock.withLock {
      waiting.append(tree)
      changed.signal()
    }
  }

  /// True when the blob is met for the first time.
  private func note(_ blob: BlobHandle) throws(RepositoryError) -> Bool {
    let result = try set.insert(blob)
    if result.isNew { try visitBlob(blob, result.isIndexed) }
    return result.isNew
  }

  /// The next tree; nil at the end of the walk.
  private func take() -> BlobID? {
    lock.lock()
    defer { lock.unlock() }
    while waiting.isEmpty, readingCount > 0, firstFailure == nil { changed.wait() }
    guard firstFailure == nil, let tree = waiting.popLast() else { return nil }
    readingCount += 1
    return tree
  }

  private func finish(_ failure: RepositoryError?) {
    lock.withLock {
      readingCount -= 1
      if let failure, firstFailure == nil { firstFailure = failure }
      if firstFailure != nil || (readingCount == 0 && waiting.isEmpty) { changed.broadcast() }
    }
  }

  func run() {
    do throws(RepositoryError) {
      let reader = try BlobReader(repository, index)
      let decoder = try TreeDecoder()
      while let id = take() {
        do throws(RepositoryError) {
          if options.isCancelled() { throw .cancelled }
          try visit(id, reader, decoder)
          finish(nil)
        } catch {
          finish(error)
        }
      }
    } catch {
      lock.withLock {
        firstFailure = firstFailure ?? error
        changed.broadcast()
      }
    }
  }

  private func visit(
    _ id: BlobID, _ reader: BlobReader, _ decoder: TreeDecoder
  ) throws(RepositoryError) {
    let tree: Tree
    do throws(RepositoryError) {
      tree = try reader.tree(id, decoder, options.tolerance)
    } catch {
      guard error.isDamage else { throw error }
      return try onDamage(id, error)
    }
    try visitTree(id, tree)
    for blob in tree.contents { _ = try note(BlobHandle(.data, blob)) }
    for node in tree.nodes.reversed() where node.facts.type == .directory {
      if let subtree = node.facts.subtree { try add(subtree) }
    }
  }
}

extension RepositoryError {
  /// Whether something stored is damaged or missing, as against a store or a system that fails.
  var isDamage: Bool {
    switch self {
    case .corrupt, .missing, .tooLarge, .unsupported: true
    default: kind == .corrupt || kind == .notFound
    }
  }
}
