import CJSON
import FileTree
import Platform

/// What a decoder does with a tree of which some nodes are faulty.
package enum TreeTolerance: Sendable {
  /// Refuses the tree: for a program that builds on it.
  case strict
  /// Leaves the faulty nodes out and describes them: for restoring and checking.
  case tolerant
}

/// Reads tree blobs. Confined to one thread; keeps its buffers, as large as the largest tree so
/// far.
///
/// Unknown members are ignored, as the format asks. Names that are none (empty, `.`, `..`, with a
/// slash or NUL), nodes without what their type needs, names out of order and names that stand
/// twice are faults.
/// Source: the restic repository format, "trees and nodes".
package final class TreeDecoder {
  private let reader: OpaquePointer

  /// - Throws: `RepositoryError.platform` when memory is short.
  package init() throws(RepositoryError) {
    guard let reader = drover_tree_reader_create() else {
      throw .platform(.last("drover_tree_reader_create", "tree reader"))
    }
    self.reader = reader
  }

  deinit { drover_tree_reader_free(reader) }

  /// Decodes the plaintext of a tree blob, whose identifier has been checked.
  /// - Throws: `RepositoryError.corrupt`, `.tooLarge`.
  package func decode(
    _ blob: UnsafeRawBufferPointer, _ tolerance: TreeTolerance
  ) throws(RepositoryError) -> Tree {
    guard blob.count <= NodeLimits.treeByteCountMax else {
      throw .tooLarge(what: "a tree of \(blob.count) bytes", limit: NodeLimits.treeByteCountMax)
    }
    let builder = TreeBuilder(tolerance, blobByteCount: blob.count)
    var position = 0
    let code = withExtendedLifetime(builder) {
      let context = Unmanaged.passUnretained(builder).toOpaque()
      return drover_tree_read(
        reader, blob.baseAddress, blob.count,
        { context, node in
          guard let context, let node else { return 1 }
          let builder = Unmanaged<TreeBuilder>.fromOpaque(context).takeUnretainedValue()
          return builder.take(node.pointee) ? 0 : 1
        }, context, &position)
    }
    if let refusal = builder.refusal { throw refusal }
    guard code == DROVER_TREE_OK else {
      throw .corrupt(
        .tree, place: "", reason: "\(TreeDecoder.reason(code)) (near byte \(position))")
    }
    return try builder.finish()
  }

  /// Decodes the plaintext of a tree blob.
  /// - Throws: `RepositoryError.corrupt`, `.tooLarge`.
  package func decode(
    _ blob: [UInt8], _ tolerance: TreeTolerance
  ) throws(RepositoryError) -> Tree {
    let result = blob.withUnsafeBytes { bytes -> Result<Tree, RepositoryError> in
      do throws(RepositoryError) {
        return .success(try decode(bytes, tolerance))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  private static func reason(_ code: Int32) -> String {
    switch code {
    case DROVER_TREE_TYPE: "a member of another type"
    case DROVER_TREE_ID: "something that is no identifier"
    case DROVER_TREE_NUMBER: "something that is no whole number of 64 bits"
    case DROVER_TREE_NODES: "no list of nodes, or more than one"
    case DROVER_TREE_MEMORY: "no memory to read it"
    default: "not valid JSON"
    }
  }
}

/// Makes a tree of the nodes that the reader hands over.
private final class TreeBuilder {
  private let tolerance: TreeTolerance
  private var tree = Tree()
  private var isSorted = true
  /// Why reading was stopped.
  private(set) var refusal: RepositoryError?

  /// Bytes of the shortest node that restic writes: what a blob's length tells of its nodes.
  private static let nodeByteCountUsual = 330

  init(_ tolerance: TreeTolerance, blobByteCount: Int) {
    self.tolerance = tolerance
    tree.nodes.reserveCapacity(blobByteCount / TreeBuilder.nodeByteCountUsual + 1)
    tree.arena.reserveCapacity(blobByteCount / 16)
  }

  /// Takes the next node; false when reading has to stop.
  func take(_ source: drover_tree_node) -> Bool {
    let arenaCount = tree.arena.count
    let contentCount = tree.contents.count
    var node = Node()
    if let reason = fill(&node, from: source) {
      let name = node.name.count > 0 ? printable(tree.bytes(node.name).prefix(200)) : ""
      tree.arena.removeSubrange(arenaCount...)
      tree.contents.removeSubrange(contentCount...)
      return report(TreeDamage(name: name, reason: reason))
    }
    if let last = tree.nodes.last, !isAscending(last, node) {
      let name = printable(tree.bytes(node.name))
      if isSorted, !report(TreeDamage(name: name, reason: "its name is out of order")) {
        return false
      }
      isSorted = false
    }
    tree.nodes.append(node)
    return true
  }

  /// The tree when all nodes were taken.
  func finish() throws(RepositoryError) -> Tree {
    guard !isSorted else { return tree }
    for name in tree.sortAndUnify() {
      let damage = TreeDamage(name: printable(tree.bytes(name)), reason: "its name stands twice")
      if !report(damage), let refusal { throw refusal }
    }
    return tree
  }

  private func isAscending(_ last: Node, _ next: Node) -> Bool {
    tree.bytes(last.name).lexicographicallyPrecedes(tree.bytes(next.name))
  }

  /// Notes a fault; false when it refuses the tree.
  private func report(_ damage: TreeDamage) -> Bool {
    tree.damageCount += 1
    if tree.damage.count < NodeLimits.damageDescribedMax { tree.damage.append(damage) }
    guard tolerance == .strict else { return true }
    let name = damage.name.isEmpty ? "a node" : "the node \(damage.name)"
    refusal = .corrupt(.tree, place: "", reason: "\(name): \(damage.reason)")
    return false
  }

  /// Fills a node; gives what is wrong with it.
  private func fill(_ node: inout Node, from source: drover_tree_node) -> String? {
    if let fault = fillName(&node, source) { return fault }
    guard let type = NodeType(word: bytes(source.type)) else { return "an unknown type" }
    node.facts.type = type
    if let fault = fillNumbers(&node, source) { return fault }
    if let fault = fillTimes(&node, source) { return fault }
    node.user = keep(bytes(source.user))
    node.group = keep(bytes(source.group))
    node.error = keep(bytes(source.error))
    if let fault = fillTarget(&node, source) { return fault }
    if let fault = fillAttributes(&node, source) { return fault }
    if let fault = fillContent(&node, source) { return fault }
    guard source.has_subtree != 0 else {
      return type == .directory ? "a directory without a tree" : nil
    }
    node.facts.subtree = BlobID(words: source.subtree.words)
    return isNull(source.subtree) ? "a tree without identifier" : nil
  }

  private func fillName(_ node: inout Node, _ source: drover_tree_node) -> String? {
    let start = tree.arena.count
    let isQuoted = NameQuoting.append(unquoting: bytes(source.name), to: &tree.arena)
    node.name = slice(from: start)
    guard isQuoted else { return "a name with a wrong escape" }
    return tree.withBytes(node.name) { fault(ofName: $0) }
  }

  private func fillNumbers(_ node: inout Node, _ source: drover_tree_node) -> String? {
    guard let mode = UInt32(exactly: source.mode) else { return "a mode of more than 32 bits" }
    guard let user = UInt32(exactly: source.uid), let group = UInt32(exactly: source.gid) else {
      return "an owner of more than 32 bits"
    }
    node.facts.mode = FileMode(rawValue: mode)
    node.facts.userID = user
    node.facts.groupID = group
    node.facts.inode = source.inode
    node.facts.deviceID = source.device_id
    node.facts.size = source.size
    node.facts.linkCount = source.links
    node.facts.device = source.device
    return nil
  }

  private func fillTimes(_ node: inout Node, _ source: drover_tree_node) -> String? {
    func time(_ text: drover_tree_text) -> GoTime? {
      text.bytes == nil ? .zero : GoTime(text: bytes(text))
    }
    guard let modified = time(source.mtime), let accessed = time(source.atime),
      let changed = time(source.ctime)
    else { return "a time that is none" }
    node.facts.modified = modified
    node.facts.accessed = accessed
    node.facts.changed = changed
    return nil
  }

  private func fillTarget(_ node: inout Node, _ source: drover_tree_node) -> String? {
    if source.raw_target.bytes != nil {
      let start = tree.arena.count
      guard Base64.append(decoding: bytes(source.raw_target), to: &tree.arena) else {
        return "a target that is not base64"
      }
      node.linkTarget = slice(from: start)
    } else {
      node.linkTarget = keep(bytes(source.target))
      node.isTargetDamaged = source.target_escapes_replacement != 0
    }
    guard node.linkTarget.count <= NodeLimits.targetByteCountMax else {
      return "a target of \(node.linkTarget.count) bytes"
    }
    if tree.bytes(node.linkTarget).contains(0) { return "a target with a NUL byte" }
    let isLink = node.facts.type == .symbolicLink
    return isLink && node.linkTarget.count == 0 ? "a symbolic link without a target" : nil
  }

  private func fillAttributes(_ node: inout Node, _ source: drover_tree_node) -> String? {
    let start = tree.arena.count
    let list = UnsafeBufferPointer(start: source.attributes, count: source.attribute_count)
    for attribute in list {
      if let fault = keep(attribute) { return fault }
    }
    node.attributes = slice(from: start)
    let generic = bytes(source.generic_attributes)
    guard !generic.isEmpty else { return nil }
    do throws(JSONError) {
      _ = try JSONValue(parsing: generic)
    } catch {
      return "generic attributes: \(error.message)"
    }
    node.genericAttributes = keep(generic)
    return nil
  }

  private func keep(_ attribute: drover_tree_attribute) -> String? {
    let name = bytes(attribute.name)
    if name.isEmpty || name.contains(0) { return "an extended attribute without a name" }
    let isNull = attribute.value.bytes == nil
    guard !isNull else {
      let isKept = NodeAttributes.append(name: name, value: nil, to: &tree.arena)
      return isKept ? nil : "an extended attribute with a long name"
    }
    scratch.removeAll(keepingCapacity: true)
    guard Base64.append(decoding: bytes(attribute.value), to: &scratch) else {
      return "an extended attribute that is not base64"
    }
    let isKept = scratch.withUnsafeBytes {
      NodeAttributes.append(name: name, value: $0, to: &tree.arena)
    }
    return isKept ? nil : "an extended attribute with a long name"
  }

  private var scratch: [UInt8] = []

  private func fillContent(_ node: inout Node, _ source: drover_tree_node) -> String? {
    guard source.has_content != 0 else {
      return node.facts.type == .file ? "a file without a list of contents" : nil
    }
    node.hasContent = true
    node.contentStart = UInt32(tree.contents.count)
    node.contentCount = UInt32(source.content_count)
    for id in UnsafeBufferPointer(start: source.content, count: source.content_count) {
      if isNull(id) { return "a content without identifier" }
      tree.contents.append(BlobID(words: id.words))
    }
    return nil
  }

  private func isNull(_ id: drover_tree_id) -> Bool { id.words == (0, 0, 0, 0) }

  private func bytes(_ text: drover_tree_text) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: text.bytes, count: text.count)
  }

  private func keep(_ bytes: UnsafeRawBufferPointer) -> ArenaSlice {
    let start = tree.arena.count
    tree.arena.append(contentsOf: bytes)
    return slice(from: start)
  }

  /// What was appended since `start`; the limit of a blob keeps it within 32 bits.
  private func slice(from start: Int) -> ArenaSlice {
    ArenaSlice(offset: UInt32(start), count: UInt32(tree.arena.count - start))
  }
}
