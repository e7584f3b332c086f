import Glibc
import Manifests
package import Platform

/// A replica image that is complete: what a volume held after a run that counted.
package struct ReplicaImage: Sendable, Equatable {
  /// The name of its VolumeSnapshot: `<volume>-<YYYYMMDDhhmmss>`, UTC.
  package var name: String
  package var namespace: String
  /// The destination that has made it.
  package var owner: String
  package var path: String
  package var form: BoundVolume.Form
  package var created: WallTime
  package var facts: CopyFacts
  /// What the volume was to hold, or the size of an image file: a claim that is filled from it
  /// asks for as much at least.
  package var sizeBytes: UInt64?
  package var className: String?
  package var claimName: String

  package var volume: BoundVolume { BoundVolume(path: path, form: form, claim: nil) }
}

extension ReplicaImage {
  var document: JSONObject {
    var object: JSONObject = [
      "name": .string(name), "namespace": .string(namespace), "owner": .string(owner),
      "form": .string(form == .directory ? "directory" : "file"),
      "created": .string(created.rfc3339), "method": .string(facts.method.rawValue),
      "consistency": .string(facts.consistency.rawValue), "claim": .string(claimName),
    ]
    if let note = facts.note { object["note"] = .string(note) }
    if let sizeBytes { object["size"] = .string(String(sizeBytes)) }
    if let className { object["class"] = .string(className) }
    return object
  }

  /// Nil when what must be there is not.
  init?(_ object: JSONObject, path: String) {
    guard let name = object["name"]?.stringValue,
      let namespace = object["namespace"]?.stringValue, let owner = object["owner"]?.stringValue,
      let form = object["form"]?.stringValue,
      let created = object["created"]?.stringValue.flatMap(WallTime.init(rfc3339:)),
      let method = object["method"]?.stringValue.flatMap(CopyParameters.Method.init(rawValue:)),
      let consistency = object["consistency"]?.stringValue.flatMap(CopyConsistency.init(rawValue:))
    else { return nil }
    self.name = name
    self.namespace = namespace
    self.owner = owner
    self.path = path
    self.form = form == "directory" ? .directory : .rawImage
    self.created = created
    facts = CopyFacts(method, consistency)
    facts.note = object["note"]?.stringValue
    sizeBytes = object["size"]?.stringValue.flatMap { UInt64($0) }
    className = object["class"]?.stringValue
    claimName = object["claim"]?.stringValue ?? ""
  }
}

/// The replica images of a place.
package struct ImageStore: Sendable {
  static let suffix = ".image"
  /// Of an image's file that is being written, under the lock of the copy's record.
  static let asideSuffix = ".image-new"
  private static let recordSizeBytesMax = 64 << 10
  private static let tryCountMax = 100
  private static let pauseMicroseconds: UInt32 = 10_000

  private let maker: CopyMaker

  package init(_ maker: CopyMaker) { self.maker = maker }

  private var place: CopyPlace { maker.place }

  /// What an image is made of, and under which names.
  package struct Request: Sendable {
    package var volume: BoundVolume
    /// The first part of its name.
    package var base: String
    package var namespace: String
    package var owner: String
    package var capacityBytes: UInt64?
    package var className: String?

    package init(_ volume: BoundVolume, base: String, namespace: String, owner: String) {
      self.volume = volume
      self.base = base
      self.namespace = namespace
      self.owner = owner
    }
  }

  // MARK: Making

  /// Makes an image: it is complete and on the disk when this returns, or is not there. Blocks.
  package func make(_ request: Request, at time: WallTime) throws(VolumeError) -> ReplicaImage {
    try place.make()
    var time = time
    while true {
      let name = "\(request.base)-\(time.stamp)"
      let file = CopyPlace.name(name, in: request.namespace)
      if access(place.path(of: file) + ImageStore.suffix, F_OK) == 0 {
        // One was made within the same second.
        time.seconds += 1
        continue
      }
      return try make(name, file, request, at: time)
    }
  }

  private func make(
    _ name: String, _ file: String, _ request: Request, at time: WallTime
  ) throws(VolumeError) -> ReplicaImage {
    let record = try CopyRecord(taking: file, in: place)
    do throws(VolumeError) {
      try maker.discard(record)
      let method = try maker.method(for: request.volume)
      try record.store(
        CopyMaker.content(method, className: request.className, volume: request.volume.path))
      let facts = try maker.make(file, of: request.volume, by: method)
      let image = ReplicaImage(
        name: name, namespace: request.namespace, owner: request.owner,
        path: place.path(of: file),
        form: request.volume.form == .directory ? .directory : .rawImage, created: time,
        facts: facts, sizeBytes: try size(of: request, at: place.path(of: file)),
        className: request.className, claimName: request.volume.claim?.name ?? request.volume.path)
      try publish(image, file)
      record.remove()
      return image
    } catch {
      // What was begun is found by its record when it cannot be removed now.
      if (try? maker.discard(record)) != nil { record.remove() }
      throw error
    }
  }

  private func size(of request: Request, at path: String) throws(VolumeError) -> UInt64? {
    if request.volume.form == .directory { return request.capacityBytes }
    var status = stat()
    guard stat(path, &status) == 0 else { throw .copy(path, .last("stat", path)) }
    return UInt64(clamping: status.st_size)
  }

  /// Makes the image durable, then known.
  private func publish(_ image: ReplicaImage, _ file: String) throws(VolumeError) {
    let directory = try place.open()
    guard FileSystem.synchronize(directory.raw) == 0 else {
      throw .copy(image.path, .last("syncfs", image.path))
    }
    do throws(PlatformError) {
      try DurableFile.replace(
        file + ImageStore.suffix, in: place.path,
        with: JSONValue.object(image.document).encoded(), mode: 0o600,
        asideName: file + ImageStore.asideSuffix)
    } catch {
      throw .copy(image.path, error)
    }
  }

  // MARK: Finding and removing

  /// The images that a destination has made, in the order of their time.
  package func images(of owner: String) throws(VolumeError) -> [ReplicaImage] {
    try all().filter { $0.owner == owner }
  }

  package func image(_ name: String, in namespace: String) throws(VolumeError) -> ReplicaImage? {
    try read(CopyPlace.name(name, in: namespace))
  }

  private func all() throws(VolumeError) -> [ReplicaImage] {
    var images: [ReplicaImage] = []
    for file in try place.names(with: ImageStore.suffix) {
      if let image = try read(file) { images.append(image) }
    }
    return images.sorted { ($0.created, $0.name) < ($1.created, $1.name) }
  }

  private func read(_ file: String) throws(VolumeError) -> ReplicaImage? {
    let path = place.path(of: file)
    do throws(PlatformError) {
      let bytes = try SmallFile.read(
        path + ImageStore.suffix, sizeBytesMax: ImageStore.recordSizeBytesMax)
      // One that is damaged is no image.
      return (try? JSONValue(parsing: bytes))?.objectValue.flatMap { ReplicaImage($0, path: path) }
    } catch {
      if error.errno == ENOENT { return nil }
      throw .copy(path, error)
    }
  }

  /// Keeps others from removing an image while it is read; nil when it is gone, or going. Waits a
  /// moment for somebody who only looks whether it is read.
  package func hold(_ image: ReplicaImage) throws(VolumeError) -> FileLock? {
    do throws(PlatformError) {
      for _ in 0..<ImageStore.tryCountMax {
        if let lock = try FileLock.take(image.path + ImageStore.suffix, .shared) { return lock }
        usleep(ImageStore.pauseMicroseconds)
      }
      return nil
    } catch {
      if error.errno == ENOENT { return nil }
      throw .copy(image.path, error)
    }
  }

  /// Whether somebody reads an image.
  package func isRead(_ image: ReplicaImage) -> Bool {
    FileLock.isHeld(image.path + ImageStore.suffix)
  }

  /// Removes an image; false when somebody reads it. Cut short, it is left over as a copy is.
  package func remove(_ image: ReplicaImage) throws(VolumeError) -> Bool {
    let held: FileLock?
    do throws(PlatformError) {
      held = try FileLock.take(image.path + ImageStore.suffix)
    } catch {
      if error.errno == ENOENT { return true }
      throw .copy(image.path, error)
    }
    guard let held else { return false }
    defer { withExtendedLifetime(held) {} }
    let file = CopyPlace.name(image.name, in: image.namespace)
    let record = try CopyRecord(taking: file, in: place)
    try record.store(
      CopyMaker.content(image.facts.method, className: image.className, volume: ""))
    guard unlink(image.path + ImageStore.suffix) == 0 || errno == ENOENT else {
      let error = PlatformError.last("unlink", image.path)
      record.remove()
      throw .copy(image.path, error)
    }
    try maker.remove(file, by: image.facts.method, volume: "")
    record.remove()
    return true
  }

  /// The images that are too many: all but the newest `countMax`, of those that are not kept for
  /// good.
  package static func surplus(
    _ images: [ReplicaImage], countMax: Int, isKept: (ReplicaImage) -> Bool
  ) -> [ReplicaImage] {
    let counted = images.filter { !isKept($0) }
    return Array(counted.dropLast(countMax))
  }
}

extension WallTime {
  /// `YYYYMMDDhhmmss`, UTC.
  var stamp: String { String(rfc3339.filter { $0.isNumber }) }
}
