import FileTree
import Platform

/// Writes `permissions.facl` of a volume: what `getfacl` would, with Drover's comments.
///
/// Memory holds the listing of a directory. Confined to one thread.
final class PermissionWriter {
  private static let pieceByteCount = 1 << 20

  private let descriptor: Int32
  private let tell: (PermissionEvent) -> Void
  private var text: [UInt8] = []
  private var sizeBytes: Int64 = 0
  private(set) var figures = PermissionFigures()

  /// Writes to an open file, from its start.
  init(to descriptor: Int32, tell: @escaping (PermissionEvent) -> Void) {
    self.descriptor = descriptor
    self.tell = tell
  }

  func run(
    _ root: TreeRoot, _ selection: VolumeSelection, isCancelled: () -> Bool
  ) throws(MirrorError) {
    let cursor = VolumeCursor(root: root, selection) { [self] error in
      figures.problemCount += 1
      tell(.problem(path: error.path, message: error.message))
    }
    AccessNote.appendFormat(to: &text)
    var isFirst = true
    while let item = try cursor.next() {
      if isCancelled() { throw .cancelled }
      switch item.entry.kind {
      case .regular, .directory:
        if !isFirst { text.append(0x0a) }
        PermissionWriter.record(of: item).appendEntries(to: &text)
      case .symbolicLink: PermissionWriter.link(of: item).append(to: &text)
      case .fifo, .socket, .characterDevice, .blockDevice:
        figures.leftOutCount += 1
        tell(.leftOut(path: item.path))
        continue
      }
      isFirst = false
      figures.entryCount += 1
      if text.count >= PermissionWriter.pieceByteCount { try flush() }
    }
    text.append(0x0a)
    try flush()
  }

  private func flush() throws(MirrorError) {
    do throws(PlatformError) { try FileIO.write(descriptor, text, at: sizeBytes) } catch {
      throw .local(error, path: Array(PermissionsFile.name.utf8))
    }
    sizeBytes += Int64(text.count)
    text.removeAll(keepingCapacity: true)
  }

  private static func record(of item: VolumeItem) -> AccessRecord {
    let entry = item.entry
    func entries(_ name: StaticString) -> [AccessEntry]? {
      item.attribute(name).flatMap {
        AccessAttribute.entries(of: $0) { Array(String($1).utf8) }
      }
    }
    let isDirectory = entry.kind == .directory
    return AccessRecord(
      path: PermissionsFile.listed(item.path), owner: Array(String(entry.userID).utf8),
      group: Array(String(entry.groupID).utf8), flags: UInt8(entry.mode >> 9 & 7),
      access: entries(PermissionSetter.accessName)
        ?? AccessAttribute.entries(ofMode: UInt32(entry.mode)),
      inherited: isDirectory ? entries(PermissionSetter.inheritedName) ?? [] : [],
      note: AccessNote(isDirectory ? .directory : .file, modified: item.modified))
  }

  private static func link(of item: VolumeItem) -> AccessLink {
    AccessLink(
      path: PermissionsFile.listed(item.path),
      target: [UInt8](item.listing.bytes(item.entry.target)), userID: item.entry.userID,
      groupID: item.entry.groupID, modified: item.modified)
  }
}
