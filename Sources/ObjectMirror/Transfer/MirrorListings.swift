import ObjectStorage
import Platform
import Remotes

/// The listings of both sides while a run reads them. Confined to one thread.
final class MirrorListings {
  private let run: MirrorRun
  private let source: EntryStream
  private let destination: EntryStream
  private(set) var sourceFileCount: Int64 = 0
  private(set) var sourceEntryCount: Int64 = 0

  init(_ run: MirrorRun) {
    self.run = run
    let encoding = run.source.encoding ?? run.destination.encoding ?? .local
    let storesLinks = [run.source, run.destination].contains { side in
      if case .local(let local) = side { local.options.storesLinks } else { false }
    }
    var options = SideListingOptions(
      filter: run.options.filter, depthMax: run.options.depthMax,
      usesServerTimes: run.options.usesServerTimes, encoding: encoding, storesLinks: storesLinks,
      isDestination: false)
    source = run.source.entries(options) { remark in
      switch remark {
      case .failed(let error): run.failed([], error)
      case .passedOver(let name, let reason):
        run.observe(.passedOver(name: name, reason: reason))
      }
    }
    options.isDestination = true
    if run.options.deletesExcluded { options.filter = nil }
    destination = run.destination.entries(options) { remark in
      // What is not known of the destination may be written, but nothing is deleted then.
      if case .failed(let error) = remark { run.failed([], error) }
    }
  }

  func nextSource() throws(MirrorError) -> MirrorEntry? {
    let entry: MirrorEntry?
    do throws(MirrorError) {
      entry = try source.next()
    } catch {
      guard MirrorListings.isMissing(error) else { throw error }
      throw .noSource(run.source.description)
    }
    if let entry {
      sourceEntryCount += 1
      if !entry.isDirectory { sourceFileCount += 1 }
      run.statistics.change { $0.listedCount += 1 }
    }
    return entry
  }

  /// A bucket that is not there yet is empty.
  func nextDestination() throws(MirrorError) -> MirrorEntry? {
    do throws(MirrorError) {
      let entry = try destination.next()
      if entry != nil { run.statistics.change { $0.listedCount += 1 } }
      return entry
    } catch {
      guard MirrorListings.isMissing(error), case .store(let store) = run.destination else {
        throw error
      }
      store.bucketIsMissing()
      return nil
    }
  }

  private static func isMissing(_ error: MirrorError) -> Bool {
    guard case .store(let failure) = error else { return false }
    return failure.failure?.code == "NoSuchBucket"
      || failure.isNotFound && failure.failure?.status == 404
  }

  func stop() {
    source.stop()
    destination.stop()
  }
}
