import FileTree
import Platform

extension EntryKind {
  /// What a node becomes in a file system; nil for what cannot be made.
  init?(_ type: NodeType) {
    switch type {
    case .file: self = .regular
    case .directory: self = .directory
    case .symbolicLink: self = .symbolicLink
    case .fifo: self = .fifo
    case .socket: self = .socket
    case .characterDevice: self = .characterDevice
    case .blockDevice: self = .blockDevice
    case .irregular: return nil
    }
  }
}

extension DirectoryListing {
  /// Appends a node as an entry, under its own name or another; gives its number. `path` is that
  /// of a listing in which names are whole paths.
  @discardableResult
  func append(_ node: Node, of tree: Tree, as kind: EntryKind, named path: [UInt8]? = nil) -> Int {
    var entry = Entry()
    entry.kind = kind
    entry.mode = UInt16(node.facts.mode.permissions & 0o7777)
    entry.userID = node.facts.userID
    entry.groupID = node.facts.groupID
    entry.modifiedSeconds = node.facts.modified.seconds
    entry.modifiedNanoseconds = node.facts.modified.nanoseconds
    entry.linkCount = UInt32(clamping: node.facts.linkCount)
    if kind.isDevice {
      entry.deviceMajor = FileSystem.major(of: node.facts.device)
      entry.deviceMinor = FileSystem.minor(of: node.facts.device)
    }
    tree.withFields(of: node) { fields in
      if let path {
        entry.name = path.withUnsafeBytes { keep($0) }
      } else {
        entry.name = keep(fields.name)
      }
      if kind == .symbolicLink { entry.target = keep(fields.linkTarget) }
      entry.attributes = keep(attributes: fields.attributes)
    }
    entries.append(entry)
    return entries.count - 1
  }

  private func keep(_ bytes: UnsafeRawBufferPointer) -> ArenaSlice {
    ArenaSlice(offset: arena.appendString(bytes), count: UInt32(bytes.count))
  }

  /// The attributes of a node in the form of an ``AttributeBlock``, but in the order of the node:
  /// enough for who sets them.
  private func keep(attributes block: UnsafeRawBufferPointer) -> ArenaSlice {
    guard !block.isEmpty else { return ArenaSlice() }
    let start = arena.count
    var position = 0
    while let (name, value, _) = NodeAttributes.next(block, &position) {
      withUnsafeBytes(of: UInt16(name.count).littleEndian) { _ = arena.append($0) }
      _ = arena.append(name)
      withUnsafeBytes(of: UInt32(value.count).littleEndian) { _ = arena.append($0) }
      _ = arena.append(value)
    }
    return ArenaSlice(offset: UInt32(start), count: UInt32(arena.count - start))
  }
}
