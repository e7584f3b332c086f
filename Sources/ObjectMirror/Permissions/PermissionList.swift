import FileTree
import Platform

/// One entry of `permissions.facl` by its path below the root of the volume.
struct PermissionEntry {
  enum Content {
    /// `kind` is nil in what `getfacl` has written.
    case record(AccessRecord, kind: AccessNote.Kind?)
    case link(AccessLink)
  }

  let path: [UInt8]
  let content: Content

  var isDirectory: Bool {
    if case .record(_, .directory?) = content { true } else { false }
  }
}

/// The entries of a `permissions.facl` of any origin. What is not below the root of the volume, or
/// takes no part in the mirror, is told and passed over. Confined to one thread.
final class PermissionList {
  private var reader: AccessTextReader
  private let selection: VolumeSelection
  private let onProblem: (_ path: [UInt8], _ message: String) -> Void
  private var ahead: AccessItem?
  private var last: [UInt8]?
  private(set) var entryCount: Int64 = 0
  /// Whether Drover has written it: kinds, times and links are in it, and an order.
  let isOwn: Bool

  init(
    _ reader: AccessTextReader, _ selection: VolumeSelection,
    onProblem: @escaping (_ path: [UInt8], _ message: String) -> Void
  ) throws(MirrorError) {
    var reader = reader
    do throws(AccessTextError) { ahead = try reader.nextItem() } catch {
      throw .permissions(error)
    }
    isOwn = reader.format != nil
    self.reader = reader
    self.selection = selection
    self.onProblem = onProblem
  }

  /// The next entry; nil at the end.
  /// - Throws: `.permissions` for a text that is none.
  func next() throws(MirrorError) -> PermissionEntry? {
    while let item = ahead {
      do throws(AccessTextError) { ahead = try reader.nextItem() } catch {
        throw .permissions(error)
      }
      if let entry = try entry(of: item) {
        entryCount += 1
        return entry
      }
    }
    return nil
  }

  private func entry(of item: AccessItem) throws(MirrorError) -> PermissionEntry? {
    let listed: [UInt8]
    let content: PermissionEntry.Content
    switch item {
    case .record(let record): (listed, content) = (record.path, try self.content(of: record))
    case .link(let link): (listed, content) = (link.path, .link(link))
    }
    guard let path = PermissionsFile.path(ofListed: listed) else {
      onProblem(listed, "this is no path of the volume; it was passed over")
      return nil
    }
    if isOwn {
      if let last, VolumeCursor.order(last, path) >= 0 {
        throw .damaged(
          path: Array(PermissionsFile.name.utf8), problem: "\(printable(path)) is not in order")
      }
      last = path
    }
    let entry = PermissionEntry(path: path, content: content)
    guard path.isEmpty || selection.includes(path, isDirectory: entry.isDirectory) else {
      return nil
    }
    return entry
  }

  private func content(
    of record: AccessRecord
  ) throws(MirrorError) -> PermissionEntry.Content {
    guard isOwn, record.note == nil else { return .record(record, kind: record.note?.kind) }
    throw .damaged(
      path: Array(PermissionsFile.name.utf8),
      problem: "\(printable(record.path)) lacks the line that says what it is")
  }
}
