import FileTree
import Platform

/// Compares two trees: joins two walks by path, has the files read that need it, and tells what
/// differs in walk order.
final class TreePairComparison {
  /// One directory that waits for its digests.
  private struct Job {
    let a: DirectoryListing?
    let b: DirectoryListing?
    let pair: DirectoryPair
    /// Nothing is known of the other side here, so what is alone is not told.
    let isUnknown: Bool
    var weight: Int { (a?.weight ?? 0) + (b?.weight ?? 0) }
  }

  /// Most directories that wait for digests; the hash streams take as many without blocking.
  private static let jobCountMax = 256
  /// Bytes of listings that wait for digests.
  private static let jobWeightMax = 16 << 20

  private let sideA: Side
  private let sideB: Side
  private let options: VerificationOptions
  private let report: VerificationReport
  private let comparison: EntryComparison
  private var jobs: [Job] = []
  private var jobsWeight = 0
  private var links = LinkGroups()
  /// Directories that one side has and the other could not read, so that they are not missing
  /// there.
  private var unknown: Set<[UInt8]> = []

  init(
    _ a: TreeRoot, _ b: TreeRoot, _ options: VerificationOptions, _ report: VerificationReport
  ) throws {
    self.options = options
    self.report = report
    comparison = EntryComparison(ignoresOwner: options.ignoresOwner)
    sideA = try Side(a, options, report, countMax: TreePairComparison.jobCountMax)
    sideB = try Side(b, options, report, countMax: TreePairComparison.jobCountMax)
  }

  func run() throws -> VerificationOutcome {
    defer {
      sideA.stop()
      sideB.stop()
    }
    var join = MergeJoin(
      left: { [sideA] in try sideA.nextListing() }, right: { [sideB] in try sideB.nextListing() },
      order: { compareWalkOrder($0.path, $1.path) })
    while let place = try join.next() {
      switch place {
      case .left(let listing): try plan(listing, nil)
      case .right(let listing): try plan(nil, listing)
      case .both(let a, let b): try plan(a, b)
      }
    }
    while !jobs.isEmpty { try finishFirst() }
    report.outcome.a = sideA.digest.finish()
    report.outcome.b = sideB.digest.finish()
    return report.outcome
  }

  // MARK: Planning

  private func plan(_ a: DirectoryListing?, _ b: DirectoryListing?) throws {
    let pair = DirectoryPair(a, b, options)
    let path = a?.path ?? b?.path ?? []
    let isUnknown = (a == nil || b == nil) && unknown.remove(path) != nil
    for place in pair.joined {
      switch place {
      case .left(let index): noteUnknown(index, in: a, isUnknown || b?.isIncomplete == true)
      case .right(let index): noteUnknown(index, in: b, isUnknown || a?.isIncomplete == true)
      case .both: break
      }
    }
    let job = Job(a: a, b: b, pair: pair, isUnknown: isUnknown)
    while jobs.count == TreePairComparison.jobCountMax
      || (!jobs.isEmpty && jobsWeight + job.weight > TreePairComparison.jobWeightMax)
    { try finishFirst() }
    if let a, !pair.readA.isEmpty { try sideA.hashes?.submit(a, pair.readA) }
    if let b, !pair.readB.isEmpty { try sideB.hashes?.submit(b, pair.readB) }
    jobs.append(job)
    jobsWeight += job.weight
  }

  private func noteUnknown(_ index: Int, in listing: DirectoryListing?, _ isUnknown: Bool) {
    guard isUnknown, let listing, listing.entries[index].kind == .directory else { return }
    unknown.insert(listing.path(of: listing.entries[index]))
  }

  // MARK: Telling

  private func finishFirst() throws {
    let job = jobs.removeFirst()
    jobsWeight -= job.weight
    let hashedA = job.pair.readA.isEmpty ? nil : try sideA.hashes?.next()
    let hashedB = job.pair.readB.isEmpty ? nil : try sideB.hashes?.next()
    if let a = job.a { try sideA.add(a, hashedA) }
    if let b = job.b { try sideB.add(b, hashedB) }
    if let a = job.a, let b = job.b, a.path.isEmpty { compareRoots(a, b) }
    for place in job.pair.joined {
      report.outcome.entryCount += 1
      switch place {
      case .left(let index):
        guard let a = job.a, !job.isUnknown, job.b?.isIncomplete != true else { continue }
        report.tell(EntryComparison.onlyInA(a.entries[index], in: a))
      case .right(let index):
        guard let b = job.b, !job.isUnknown, job.a?.isIncomplete != true else { continue }
        report.tell(EntryComparison.onlyInB(b.entries[index], in: b))
      case .both(let left, let right):
        guard let a = job.a, let b = job.b else { continue }
        let content = content(hashedA?.contents[left], hashedB?.contents[right])
        let links = links.difference(a.entries[left], in: a, b.entries[right], in: b)
        let difference = comparison.compare(
          a.entries[left], in: a, b.entries[right], in: b, content: content, links: links)
        if let difference { report.tell(difference) }
      }
    }
  }

  private func compareRoots(_ a: DirectoryListing, _ b: DirectoryListing) {
    report.outcome.entryCount += 1
    let ownA = a.ownEntryListing()
    let ownB = b.ownEntryListing()
    let difference = comparison.compare(
      ownA.entries[0], in: ownA, ownB.entries[0], in: ownB, content: .unknown)
    if let difference { report.tell(difference) }
  }

  private func content(
    _ a: HashedContent??, _ b: HashedContent??
  ) -> EntryComparison.Content {
    guard case .success(let left)?? = a, case .success(let right)?? = b else { return .unknown }
    return left == right ? .equal : .different
  }
}

/// One of the two trees: its walk, its hash stream, its digests.
private final class Side {
  let hashes: HashStream?
  let digest: SideDigest
  private let root: TreeRoot
  private let walk: WalkStream
  private let report: VerificationReport

  init(
    _ root: TreeRoot, _ options: VerificationOptions, _ report: VerificationReport, countMax: Int
  ) throws {
    self.root = root
    self.report = report
    digest = try SideDigest(
      hasContent: options.profile.hasContent, hasOwners: options.profile.hasOwners)
    var choices = WalkOptions()
    choices.filter = options.filter
    choices.oneFileSystem = options.oneFileSystem
    hashes = options.comparesContent ? HashStream(root: root, countMax: countMax) : nil
    walk = WalkStream(root: root, options: choices)
  }

  /// The next directory of the walk; problems on the way are told.
  func nextListing() throws -> DirectoryListing? {
    while let step = try walk.next() {
      for error in step.problems { report.tell(VerificationProblem(root: root.path, error)) }
      if let listing = step.listing { return listing }
    }
    return nil
  }

  /// Counts a directory and tells which of its files could not be read.
  func add(_ listing: DirectoryListing, _ hashed: HashedListing?) throws {
    try digest.add(listing, hashed)
    for case .failure(let error)? in hashed?.contents ?? [] {
      report.tell(VerificationProblem(root: root.path, error))
    }
  }

  func stop() {
    walk.stop()
    hashes?.stop()
  }
}
