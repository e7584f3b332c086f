import Glibc
import Manifests
import Platform

/// What a copy in a place is, in a file beside it that its maker keeps locked: the kernel lets go
/// of it with the process, and the next one finds what is left over.
package final class CopyRecord: Sendable {
  static let suffix = ".making"
  private static let sizeBytesMax = 64 << 10

  package let place: CopyPlace
  package let name: String
  private let file: FileLock

  /// Makes the record, or takes one over whose holder has gone; the copy itself may be there then.
  /// - Throws: ``VolumeError/inUse(path:)`` when somebody alive holds it.
  init(taking name: String, in place: CopyPlace) throws(VolumeError) {
    guard let file = try CopyRecord.take(name, place, flags: O_CREAT) else {
      throw .inUse(path: place.path(of: name))
    }
    (self.name, self.place, self.file) = (name, place, file)
  }

  private init(_ name: String, _ place: CopyPlace, _ file: FileLock) {
    (self.name, self.place, self.file) = (name, place, file)
  }

  /// The record of a copy that nobody holds; nil when there is none, or when it is held.
  static func leftOver(_ name: String, in place: CopyPlace) throws(VolumeError) -> CopyRecord? {
    try take(name, place, flags: 0).map { CopyRecord(name, place, $0) }
  }

  private static func take(
    _ name: String, _ place: CopyPlace, flags: Int32
  ) throws(VolumeError) -> FileLock? {
    let path = place.path(of: name) + suffix
    do throws(PlatformError) {
      return try FileLock.take(path, flags: flags)
    } catch {
      if error.errno == ENOENT, flags == 0 { return nil }
      throw .copy(path, error)
    }
  }

  /// What the record says; empty when its maker was killed before it had written anything.
  var content: JSONObject {
    var bytes = [UInt8](repeating: 0, count: CopyRecord.sizeBytesMax)
    let count = bytes.withUnsafeMutableBytes { buffer in
      // What cannot be read says nothing.
      (try? FileIO.read(file.raw, into: buffer, at: 0)) ?? 0
    }
    // As above.
    return (try? JSONValue(parsing: Array(bytes[..<count])))?.objectValue ?? JSONObject()
  }

  /// Writes what the copy will be, on the disk when this returns.
  func store(_ content: JSONObject) throws(VolumeError) {
    do throws(PlatformError) {
      try FileIO.truncate(file.raw, to: 0)
      try FileIO.write(file.raw, JSONValue.object(content).encoded(), at: 0)
      try FileIO.synchronizeData(file.raw)
    } catch {
      throw .copy(place.path(of: name), error)
    }
  }

  /// Removes the record, after the copy.
  func remove() { unlink(place.path(of: name) + CopyRecord.suffix) }

  /// The names of all copies of a place that have a record.
  static func names(in place: CopyPlace) throws(VolumeError) -> [String] {
    try place.names(with: suffix)
  }
}

extension CopyPlace {
  private static let entryCountMax = 1_000_000

  /// The names in it that end so, without that end; none when the place is not there.
  func names(with suffix: String) throws(VolumeError) -> [String] {
    do throws(PlatformError) {
      return try DurableFile.names(in: path, countMax: CopyPlace.entryCountMax)
        .filter { $0.hasSuffix(suffix) }.map { String($0.dropLast(suffix.count)) }
    } catch {
      if error.errno == ENOENT { return [] }
      throw .copy(path, error)
    }
  }
}
