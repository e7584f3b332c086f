import Cryptography
import FileTree
import Glibc
import Platform

/// Writes files that come whole: those that come in one piece without a name, others into a
/// temporary file, with all attributes, named when complete.
/// Confined to one lane.
final class WholeFileWriter {
  private final class Assembly {
    let descriptor: SharedDescriptor
    let target: DirectTarget
    let temporary: String
    var hash: XXH3Stream

    init(descriptor: SharedDescriptor, temporary: String, sizeBytes: Int64) throws {
      self.descriptor = descriptor
      target = DirectTarget(descriptor, sizeBytes: sizeBytes)
      self.temporary = temporary
      hash = try XXH3Stream()
    }
  }

  private let completion: FileCompletion
  private let builder: RecordBuilder
  private let writer: TreeWriter?
  private let writeBehind: WriteBehind
  private var open: [UInt32: Assembly] = [:]
  private let staged = StagedWriter()

  init(
    completion: FileCompletion, builder: RecordBuilder, writer: TreeWriter?,
    writeBehind: WriteBehind
  ) throws {
    self.completion = completion
    self.builder = builder
    self.writer = writer
    self.writeBehind = writeBehind
  }

  private func tree(_ file: PendingFile) throws -> (TreeWriter, DirectoryListing) {
    guard let writer, let listing = file.listing else {
      throw ReplicationError.violation("a whole file for a volume")
    }
    return (writer, listing)
  }

  private func makeTemporary(
    _ file: PendingFile, _ parent: Int32
  ) throws -> (SharedDescriptor, String) {
    let (writer, listing) = try tree(file)
    let name = [UInt8](listing.name(of: file.entry))
    let temporary = PartialName.temporary(for: name)
    let flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
    let mode = writer.modeAtCreation(file.entry)
    var raw = retryingOnInterrupt { openat(parent, temporary, flags, mode) }
    if raw < 0, errno == ELOOP || errno == EISDIR || errno == ENXIO {
      // Somebody's entry of that name: move on to a name that cannot be there.
      let other = TemporaryName.make(SecureRandom.integer())
      raw = retryingOnInterrupt { openat(parent, other, flags | O_EXCL, mode) }
      if raw >= 0 { return (SharedDescriptor(owning: raw), other) }
    }
    guard raw >= 0 else { throw ReplicationError.file(.last("openat"), path: file.path) }
    return (SharedDescriptor(owning: raw), temporary)
  }

  /// Removes all unfinished files of this lane.
  func discard() {
    for (request, assembly) in open {
      // A request that is gone has no file any more.
      guard let file = try? completion.pending.file(request), let listing = file.listing,
        let parent = try? writer?.directories.descriptor(of: listing.path)
      else { continue }
      _ = unlinkat(parent, assembly.temporary, 0)
    }
    open.removeAll()
  }

  /// A file that came in one frame.
  func writeSmall(
    _ file: PendingFile, _ end: FileEnd, _ bytes: UnsafeRawBufferPointer
  ) throws {
    let (writer, listing) = try tree(file)
    guard XXH3.hash64(bytes) == end.hash else {
      throw ReplicationError.violation("\(printable(file.path)) came damaged")
    }
    let parent = try writer.directories.descriptor(of: listing.path)
    let descriptor: SharedDescriptor
    var temporary: String?
    if let unnamed = writer.makeUnnamed(file.entry, in: parent) {
      descriptor = unnamed
    } else {
      (descriptor, temporary) = try makeTemporary(file, parent)
    }
    do throws(PlatformError) {
      try FileIO.write(descriptor.raw, bytes, at: 0)
    } catch {
      if let temporary { _ = unlinkat(parent, temporary, 0) }
      throw ReplicationError.file(error, path: file.path)
    }
    completion.state.received(literal: Int64(bytes.count), matched: 0)
    try commit(file, end, descriptor, temporary, parent)
  }

  /// A piece of a larger file.
  func write(_ file: PendingFile, _ bytes: UnsafeRawBufferPointer, at offset: Int64) throws {
    let assembly = try assembly(file)
    guard offset >= 0, offset <= Int64.max - Int64(bytes.count) else {
      throw ReplicationError.violation("offset out of range")
    }
    // All-zero pieces come without bytes and stay holes.
    guard bytes.count > 0 else { return }
    assembly.hash.update(bytes)
    do throws(PlatformError) {
      try staged.write(bytes, at: offset, to: assembly.target)
    } catch {
      throw ReplicationError.file(error, path: file.path)
    }
    completion.state.received(literal: Int64(bytes.count), matched: 0)
  }

  private func assembly(_ file: PendingFile) throws -> Assembly {
    if let assembly = open[file.request] { return assembly }
    let (writer, listing) = try tree(file)
    let parent = try writer.directories.descriptor(of: listing.path)
    let (descriptor, temporary) = try makeTemporary(file, parent)
    let assembly = try Assembly(
      descriptor: descriptor, temporary: temporary, sizeBytes: file.entry.size)
    open[file.request] = assembly
    return assembly
  }

  func end(_ file: PendingFile, _ end: FileEnd) throws {
    if end.outcome == .equal { return try keep(file, end) }
    let (writer, listing) = try tree(file)
    guard end.outcome == .complete || end.outcome == .changed else {
      if let assembly = open.removeValue(forKey: file.request) {
        _ = unlinkat(
          try writer.directories.descriptor(of: listing.path), assembly.temporary, 0)
      }
      return completion.drop(file)
    }
    let assembly = try assembly(file)
    open[file.request] = nil
    guard assembly.hash.digest().first == end.hash else {
      throw ReplicationError.violation("\(printable(file.path)) came damaged")
    }
    do throws(PlatformError) {
      try staged.flush()
      try FileIO.truncate(assembly.descriptor.raw, to: end.sizeBytes)
    } catch {
      throw ReplicationError.file(error, path: file.path)
    }
    let parent = try writer.directories.descriptor(of: listing.path)
    try commit(file, end, assembly.descriptor, assembly.temporary, parent)
  }

  /// What stands here has the sender's content: only attributes may differ.
  private func keep(_ file: PendingFile, _ end: FileEnd) throws {
    let (writer, listing) = try tree(file)
    guard let hashed = file.hashed, open[file.request] == nil, end.sizeBytes == hashed.sizeBytes
    else { throw ReplicationError.violation("a file that is said to be equal unasked") }
    let parent = try writer.directories.descriptor(of: listing.path)
    if hashed.isUnchanged(in: parent) {
      let entry = completion.finalEntry(file, end, tell: builder)
      writer.attributes.apply(
        entry, in: listing, directory: parent, name: listing.cName(of: entry)
      ) { file.path }
      completion.state.received(literal: 0, matched: end.sizeBytes)
    } else {
      completion.state.warn(file.path, "changed here while it was compared", tell: builder)
    }
    completion.drop(file)
  }

  private func commit(
    _ file: PendingFile, _ end: FileEnd, _ descriptor: SharedDescriptor, _ temporary: String?,
    _ parent: Int32
  ) throws {
    let (writer, listing) = try tree(file)
    let entry = completion.finalEntry(file, end, tell: builder)
    func path() -> [UInt8] { file.path }
    let name = listing.cName(of: entry)
    if let temporary {
      writer.attributes.apply(entry, in: listing, to: descriptor.raw, path: path)
      try writer.rename(parent, temporary, to: name, path: path)
    } else {
      writer.applyToUnnamed(entry, in: listing, descriptor, path: path)
      try writer.link(
        descriptor, parent,
        temporary: PartialName.temporary(for: [UInt8](listing.name(of: entry))),
        to: name, path: path)
    }
    writeBehind.add(descriptor)
    try completion.done(file, tell: builder)
  }
}
