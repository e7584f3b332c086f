import Glibc
package import Manifests
import Platform

/// Fills a claim from a replica image: once, and whole or not at all.
package struct ClaimFill: Sendable {
  private let claim: ObjectKey
  private let provision: Provision

  package init(_ claim: ObjectKey, _ provision: Provision) {
    self.claim = claim
    self.provision = provision
  }

  package var path: String { provision.path(of: claim) }
  /// What is there is never written over.
  package var isDone: Bool { access(path, F_OK) == 0 }

  /// The directory in which the volume is made before it gets its name.
  package var place: CopyPlace { CopyPlace(path: "\(provision.root)/\(CopyPlace.name)") }

  /// Makes the volume from the image, which the caller holds. Blocks.
  package func fill(
    from image: ReplicaImage, isCancelled: @escaping @Sendable () -> Bool
  ) throws(VolumeError) -> CopyFacts {
    try check(image)
    try VolumeMaker().makeRoot(provision.root)
    let place = place
    try place.make()
    let name = CopyPlace.name("vs-prime-\(claim.name)", in: claim.namespace)
    let record = try CopyRecord(taking: name, in: place)
    let maker = CopyMaker(place, CopyParameters(), isCancelled: isCancelled)
    do throws(VolumeError) {
      try maker.discard(record)
      let facts = try copy(image, as: name, maker, record)
      try finish(place.path(of: name))
      record.remove()
      return facts
    } catch {
      // What was begun is found by its record when it cannot be removed now.
      if (try? maker.discard(record)) != nil { record.remove() }
      throw error
    }
  }

  private func check(_ image: ReplicaImage) throws(VolumeError) {
    let isBlock = image.form != .directory
    guard isBlock == (provision.mode == .block) else {
      throw .modeMismatch(
        claim: claim, claimMode: provision.mode, volumeMode: isBlock ? .block : .filesystem)
    }
    if let size = image.sizeBytes, let wanted = provision.capacityBytes, wanted < size {
      throw .claimTooSmall(claim: claim, bytes: wanted, image: image.name, imageBytes: size)
    }
  }

  /// Copies by the best method that works between the two places.
  private func copy(
    _ image: ReplicaImage, as name: String, _ maker: CopyMaker, _ record: CopyRecord
  ) throws(VolumeError) -> CopyFacts {
    let best = try maker.method(for: image.volume)
    for method in [best, .reflink] {
      do throws(VolumeError) {
        try record.store(CopyMaker.content(method, className: nil, volume: image.path))
        return try maker.make(name, of: image.volume, by: method, isWritable: true)
      } catch {
        guard case .method = error else { throw error }
        try maker.discard(record)
      }
    }
    try record.store(CopyMaker.content(.copy, className: nil, volume: image.path))
    return try maker.make(name, of: image.volume, by: .copy, isWritable: true)
  }

  /// Gives the volume its size and, when it is on the disk, its name.
  private func finish(_ unfinished: String) throws(VolumeError) {
    let raw = open(unfinished, O_RDONLY | O_CLOEXEC)
    guard raw >= 0 else { throw .copy(unfinished, .last("open", unfinished)) }
    let descriptor = Descriptor(owning: raw)
    if provision.mode == .block, let size = provision.capacityBytes {
      guard truncate(unfinished, off_t(clamping: size)) == 0 else {
        throw .copy(unfinished, .last("truncate", unfinished))
      }
    }
    guard FileSystem.synchronize(descriptor.raw) == 0 else {
      throw .copy(unfinished, .last("syncfs", unfinished))
    }
    guard FileSystem.renameNew(unfinished, to: path) == 0 else {
      throw .copy(path, .last("rename", path))
    }
    do throws(PlatformError) {
      try DurableFile.synchronizeDirectory(provision.root)
    } catch {
      throw .copy(path, error)
    }
  }
}
