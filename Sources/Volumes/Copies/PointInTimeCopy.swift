import Glibc
package import Manifests
import Platform

/// A copy of a volume for one run of a source. It is found and removed by the next process when
/// this one is killed.
package final class PointInTimeCopy: Sendable {
  package let path: String
  package let facts: CopyFacts
  private let maker: CopyMaker
  private let record: CopyRecord
  private let volume: String

  /// Makes the copy; what an earlier process has left under its name is removed first. Blocks.
  ///
  /// `capacityBytes` is what the volume may hold at most.
  package init(
    _ name: String, of volume: BoundVolume, with maker: CopyMaker, className: String?,
    capacityBytes: UInt64?
  ) throws(VolumeError) {
    try maker.place.make()
    let record = try CopyRecord(taking: name, in: maker.place)
    try maker.discard(record)
    if let capacityBytes {
      let used = try SpaceCheck.usedBytes(of: volume)
      guard used <= capacityBytes else {
        record.remove()
        throw .capacity(volume: volume.path, usedBytes: used, capacityBytes: capacityBytes)
      }
    }
    do throws(VolumeError) {
      let method = try maker.method(for: volume)
      try record.store(CopyMaker.content(method, className: className, volume: volume.path))
      facts = try maker.make(name, of: volume, by: method)
    } catch {
      // What was begun is found by its record when it cannot be removed now.
      if (try? maker.discard(record)) != nil { record.remove() }
      throw error
    }
    path = maker.place.path(of: name)
    self.maker = maker
    self.record = record
    self.volume = volume.path
  }

  /// Removes the copy; safe to repeat.
  package func remove() throws(VolumeError) {
    try maker.remove(record.name, by: facts.method, volume: volume)
    record.remove()
  }
}

extension CopyMaker {
  static func content(
    _ method: CopyParameters.Method, className: String?, volume: String
  ) -> JSONObject {
    var content: JSONObject = ["method": .string(method.rawValue), "volume": .string(volume)]
    if let className { content["class"] = .string(className) }
    return content
  }

  /// Removes what stands under the name of a record, but for a complete image.
  func discard(_ record: CopyRecord) throws(VolumeError) {
    let path = place.path(of: record.name)
    if unlink(path + ImageStore.asideSuffix) != 0, errno != ENOENT {
      throw .copy(path, .last("unlink", path + ImageStore.asideSuffix))
    }
    if access(path + ImageStore.suffix, F_OK) == 0 { return }
    let content = record.content
    let method = content["method"]?.stringValue.flatMap(CopyParameters.Method.init(rawValue:))
    try remove(record.name, by: method, volume: content["volume"]?.stringValue ?? "")
  }

  /// Removes all copies of the place that nobody holds: those of processes that were killed.
  ///
  /// `parameters` gives what the class of a name says, which has the command that removes a copy.
  /// Gives the names of what was removed, and what could not be removed.
  package static func removeLeftovers(
    in place: CopyPlace, parameters: (String) -> CopyParameters?
  ) -> (removed: [String], failures: [VolumeError]) {
    var removed: [String] = []
    var failures: [VolumeError] = []
    do throws(VolumeError) {
      for name in try CopyRecord.names(in: place) {
        do throws(VolumeError) {
          guard let record = try CopyRecord.leftOver(name, in: place) else { continue }
          let className = record.content["class"]?.stringValue
          let maker = CopyMaker(place, className.flatMap(parameters) ?? CopyParameters())
          try maker.discard(record)
          record.remove()
          removed.append(place.path(of: name))
        } catch {
          failures.append(error)
        }
      }
    } catch {
      failures.append(error)
    }
    return (removed, failures)
  }
}
