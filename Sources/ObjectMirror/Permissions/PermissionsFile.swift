package import FileTree
import Glibc
import ObjectStorage
import Platform

/// `permissions.facl`, the file in which VolSync's mover keeps what a bucket does not: owners,
/// modes and access control lists, as `getfacl` writes them, of a volume at `/data`.
///
/// An object of this type is a copy on this machine, in a directory of its own that goes with it.
package final class PermissionsFile {
  package static let name = "permissions.facl"
  /// Largest one to fetch: some hundred million entries.
  package static let sizeBytesMax: Int64 = 32 << 30

  /// Where VolSync mounts the volume, without the first slash.
  private static let mount = Array("data".utf8)
  private static let pieceByteCount = 256 << 10

  private let directory: PrivateDirectory
  private let side: LocalSide
  private static var path: [UInt8] { Array(name.utf8) }

  /// Makes the directory below `temporaryDirectory`.
  package init(in temporaryDirectory: String) throws(MirrorError) {
    do throws(PlatformError) {
      directory = try PrivateDirectory("permissions", in: temporaryDirectory)
    } catch {
      throw .local(error, path: Array(temporaryDirectory.utf8))
    }
    side = try LocalSide(path: directory.path)
  }

  // MARK: Paths

  /// How a path below the root of the volume stands in the file.
  static func listed(_ path: [UInt8]) -> [UInt8] { path.isEmpty ? mount : mount + [0x2f] + path }

  /// The path below the root that stands for one in the file; nil for one that is none. Whatever
  /// the file says, it stays below the root.
  static func path(ofListed listed: [UInt8]) -> [UInt8]? {
    guard listed.starts(with: mount) else { return nil }
    let rest = listed.dropFirst(mount.count)
    guard !rest.isEmpty else { return [] }
    guard rest.first == 0x2f else { return nil }
    let path = Array(rest.dropFirst())
    return path.withUnsafeBytes { RelativePath.isSafe($0) } ? path : nil
  }

  // MARK: At the source

  /// Writes the file of a volume.
  package func write(
    of root: TreeRoot, _ selection: VolumeSelection, isCancelled: () -> Bool,
    tell: @escaping (PermissionEvent) -> Void
  ) throws(MirrorError) -> PermissionFigures {
    let raw = retryingOnInterrupt {
      Glibc.open(
        "\(directory.path)/\(PermissionsFile.name)",
        O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    }
    guard raw >= 0 else { throw .local(.last("open"), path: PermissionsFile.path) }
    let descriptor = Descriptor(owning: raw)
    let writer = PermissionWriter(to: descriptor.raw, tell: tell)
    try writer.run(root, selection, isCancelled: isCancelled)
    return writer.figures
  }

  /// Stores the file at the root of a side, in one step, unless the same is there already: whoever
  /// reads meanwhile finds the old one or the new one. Gives whether it was stored.
  package func store(to destination: MirrorSide) throws(MirrorError) -> Bool {
    guard let entry = try MirrorSide.local(side).entry(PermissionsFile.path) else {
      throw .noSource(directory.path)
    }
    let other = try destination.entry(PermissionsFile.path)
    var options = ComparisonOptions()
    options.checksum = true
    let item = NumberedEntry(number: 0, entry: entry)
    let share = SourceShare(.local(side), [Activity()], hashes: true, SharingOptions())
    let judge = PairJudge(
      source: .local(side), destination: destination, options: options, usesServerTimes: false,
      share: share, lane: 0)
    if case .skip = try judge.judge(item, other).decision { return false }
    let copier = Copier(
      source: .local(side), destination: destination, mediaTypes: MediaTypes(), share: share,
      lane: 0, laneCount: 1)
    _ = try copier.copy(item)
    return true
  }

  // MARK: At the destination

  /// What tells one content of the file at a side from another; nil when there is no file.
  package static func version(at side: MirrorSide) throws(MirrorError) -> String? {
    guard let entry = try side.entry(path) else { return nil }
    return "\(entry.etag) \(entry.sizeBytes) \(entry.modified.map(DecimalTime.text) ?? "")"
  }

  /// Fetches the file from the root of a side; false when there is none.
  package func fetch(from source: MirrorSide) throws(MirrorError) -> Bool {
    guard let entry = try source.entry(PermissionsFile.path) else { return false }
    guard entry.sizeBytes <= PermissionsFile.sizeBytesMax else {
      throw .damaged(
        path: PermissionsFile.path,
        problem: "it is larger than \(PermissionsFile.sizeBytesMax >> 30) GiB")
    }
    let share = SourceShare(source, [Activity()], hashes: true, SharingOptions())
    let copier = Copier(
      source: source, destination: .local(side), mediaTypes: MediaTypes(), share: share, lane: 0,
      laneCount: 1)
    _ = try copier.copy(NumberedEntry(number: 0, entry: entry))
    return true
  }

  /// Reads the copy from its start.
  package func reader() throws(MirrorError) -> AccessTextReader {
    let file = try side.open(PermissionsFile.path)
    let position = Position()
    return AccessTextReader { () throws(PlatformError) in
      var piece = [UInt8](repeating: 0, count: PermissionsFile.pieceByteCount)
      let result = piece.withUnsafeMutableBytes { buffer in
        Result { () throws(PlatformError) in
          try FileIO.read(file.descriptor.raw, into: buffer, at: position.offset)
        }
      }
      let count = try result.get()
      position.offset += Int64(count)
      return Array(piece.prefix(count))
    }
  }

  /// How far a reader is; of the reader's thread.
  private final class Position: @unchecked Sendable {
    var offset: Int64 = 0
  }
}

extension MirrorSide {
  /// What a listing would tell of one file; nil when there is none.
  package func entry(_ path: [UInt8]) throws(MirrorError) -> MirrorEntry? {
    switch self {
    case .local(let local):
      do throws(MirrorError) {
        let file = try local.open(path)
        return MirrorEntry(
          .file, path: path, key: path, sizeBytes: file.sizeBytes, modified: file.modified)
      } catch {
        if case .local(let failure, _) = error, failure.errno == ENOENT { return nil }
        throw error
      }
    case .store(let store):
      let entry = MirrorEntry(.file, path: path, key: path)
      let key = try store.key(of: entry)
      do throws(MirrorError) {
        let head = try store.calling { (client) throws(S3Error) in
          try client.headObject(store.bucket, key)
        }
        return MirrorEntry(
          .file, path: path, key: path, sizeBytes: head.sizeBytes, modified: head.modified,
          etag: head.etag)
      } catch {
        if case .store(let failure) = error, failure.isNotFound { return nil }
        throw error
      }
    }
  }
}
