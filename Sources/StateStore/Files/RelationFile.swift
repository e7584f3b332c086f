import Glibc
import Platform

/// The file with the generation of one end, beside its object; written by the daemon, by commands
/// and by movers, each under a lock of the directory, in one step.
///
/// It is a file of its own because a generation that were lost would let a fenced source in: a
/// damaged file stops the end, while a damaged status is made anew.
package struct RelationFile: Sendable, Equatable {
  private static let sizeBytesMax = 64 << 10

  package let path: String
  private let directory: String
  private let name: String

  package init(_ path: String) {
    self.path = path
    let cut = path.lastIndex(of: "/") ?? path.startIndex
    directory = String(path[..<cut])
    name = String(path[cut...].dropFirst())
  }

  /// The first generation when there is no file.
  package func read() throws(StateError) -> RelationRecord {
    let text: [UInt8]
    do {
      text = try SmallFile.read(path, sizeBytesMax: RelationFile.sizeBytesMax)
    } catch {
      if error.errno == ENOENT { return RelationRecord() }
      throw .directory(error)
    }
    // What cannot be parsed is damaged, whatever is wrong.
    let document = (try? JSONValue(parsing: text))?.objectValue
    guard let record = document.flatMap(RelationRecord.init) else {
      throw .refused(
        "\(path) is damaged: the generation of this end is not known",
        hint: "Write {\"generation\": N} into it, N as the other side's file says.")
    }
    return record
  }

  /// Changes the record, on the disk when this returns; what `change` throws leaves it as it was.
  @discardableResult
  package func update<Failure: Error>(
    _ change: (inout RelationRecord) throws(Failure) -> Void
  ) throws -> RelationRecord {
    let raw = retryingOnInterrupt { open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard raw >= 0 else { throw StateError.directory(.last("open", directory)) }
    // The lock goes with the descriptor.
    let descriptor = SharedDescriptor(owning: raw)
    guard retryingOnInterrupt({ flock(descriptor.raw, LOCK_EX) }) == 0 else {
      throw StateError.directory(.last("flock", directory))
    }
    return try withExtendedLifetime(descriptor) {
      var record = try read()
      let before = record
      try change(&record)
      guard record != before else { return record }
      let text = JSONValue.object(record.document).encoded() + [0x0a]
      do throws(PlatformError) {
        try DurableFile.replace(name, in: directory, with: text, mode: 0o600)
      } catch {
        throw StateError.directory(error)
      }
      return record
    }
  }
}
