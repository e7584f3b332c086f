import ObjectStorage
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// The parallel walk over all used blobs.
@Suite struct RestoreTreeTraversalTests {
  @Test(arguments: ["repo-v1", "repo-v2", "repo-v2-r014"], [1, 4])
  func findsEveryUsedBlobOnce(name: String, threadCount: Int) throws {
    let repository = try Repository.open(
      try LocalStore(at: FormatFixture.root + "/" + name), password: Array("drover-fixture".utf8))
    let codec = try repository.makeCodec()
    let index = try repository.loadIndex()
    let snapshots = try repository.snapshots(codec) { _, error in Issue.record("\(error)") }
    var options = UsedBlobs.Options()
    options.threadCount = threadCount
    let met = MetBlobs()
    let set = try UsedBlobs.walk(
      repository, index, roots: snapshots.map(\.record.tree), options: options,
      visitTree: { id, _ in met.add(tree: id) },
      visitBlob: { blob, isIndexed in
        #expect(isIndexed)
        met.add(blob)
      }, onDamage: { id, error in Issue.record("\(id.short): \(error)") })
    // Nothing was pruned from the fixtures, so all that they hold is used.
    var handles: Set<BlobHandle> = []
    for type in BlobType.allCases {
      try index.forEachEntry(type) { id, _ in handles.insert(BlobHandle(type, id)) }
    }
    #expect(Set(met.blobs) == handles)
    #expect(met.blobs.count == handles.count)
    #expect(met.trees.count == handles.count(where: { $0.type == .tree }))
    #expect(set.count == handles.count)
    #expect(set.strangerCount == 0)
    for handle in handles { #expect(try set.contains(handle)) }
  }

  @Test func damageAndMissingBlobsAreGivenAndTheWalkGoesOn() throws {
    let source = try LocalStore(at: FormatFixture.root + "/" + "repo-v2")
    let repository = try Repository.open(source, password: Array("drover-fixture".utf8))
    let index = try repository.loadIndex()
    let codec = try repository.makeCodec()
    let snapshots = try repository.snapshots(codec) { _, error in Issue.record("\(error)") }
    let stranger = BlobID(words: (1, 2, 3, 4))
    let damaged = MetBlobs()
    let trees = MetBlobs()
    let set = try UsedBlobs.walk(
      repository, index, roots: [stranger, snapshots[0].record.tree],
      visitTree: { id, _ in trees.add(tree: id) }, visitBlob: { _, _ in },
      onDamage: { id, error in
        #expect(error.kind == .notFound)
        damaged.add(tree: id)
      })
    #expect(damaged.trees == [stranger])
    #expect(trees.trees.count > 3)
    #expect(set.strangerCount == 1)
    #expect(throws: RepositoryError.self) {
      try UsedBlobs.walk(repository, index, roots: [stranger]) { _, error throws(RepositoryError) in
        throw error
      }
    }
  }

  @Test func aCancelledWalkEnds() throws {
    let repository = try Repository.open(
      try LocalStore(at: FormatFixture.root + "/" + "repo-v2"),
      password: Array("drover-fixture".utf8))
    let index = try repository.loadIndex()
    let codec = try repository.makeCodec()
    let snapshots = try repository.snapshots(codec) { _, error in Issue.record("\(error)") }
    var options = UsedBlobs.Options()
    options.isCancelled = { true }
    do {
      try UsedBlobs.walk(
        repository, index, roots: snapshots.map(\.record.tree), options: options,
        onDamage: { _, _ in })
      Issue.record("it was not cancelled")
    } catch {
      #expect(error.kind == .cancelled)
    }
  }
}

private final class MetBlobs: @unchecked Sendable {
  private let lock = Lock()
  private(set) var blobs: [BlobHandle] = []
  private(set) var trees: [BlobID] = []

  func add(_ blob: BlobHandle) { lock.withLock { blobs.append(blob) } }
  func add(tree: BlobID) { lock.withLock { trees.append(tree) } }
}
