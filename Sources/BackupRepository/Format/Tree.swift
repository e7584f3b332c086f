package import FileTree
import Platform

/// Limits of a tree, each with its reason.
package enum NodeLimits {
  /// Largest tree blob: a directory of three million files. Reading one takes up to six times its
  /// length for a moment.
  package static let treeByteCountMax = 1 << 30
  /// Longest name: 255 UTF-16 units, the most that any file system has, are 765 bytes in UTF-8.
  package static let nameByteCountMax = 1024
  /// Longest target of a symbolic link: Windows has up to 32,767 units; Linux 4095 bytes.
  package static let targetByteCountMax = 128 << 10
  /// How many faults of one tree are described; the others are counted.
  package static let damageDescribedMax = 16
}

/// A fault of a tree that concerns some of its nodes only.
package struct TreeDamage: Sendable, Equatable {
  /// The node's name for people; empty when it has none.
  package var name: String
  package var reason: String
}

/// A decoded tree: the nodes of one directory, strictly ascending by the bytes of their names.
///
/// Strings and contents of all nodes stand in two arrays that the nodes point into, so that a
/// directory costs a handful of allocations whatever its size.
package struct Tree: Sendable {
  package internal(set) var nodes: [Node] = []
  var arena: [UInt8] = []
  var contents: [BlobID] = []
  /// Faults of nodes, which were left out; only when the decoder was told to tolerate them.
  package internal(set) var damage: [TreeDamage] = []
  /// All faults, those that are not described included.
  package internal(set) var damageCount = 0

  package init() {}

  /// The bytes of a node's string or block, without a copy.
  package func bytes(_ slice: ArenaSlice) -> ArraySlice<UInt8> {
    arena[Int(slice.offset)..<Int(slice.offset) + Int(slice.count)]
  }

  /// The bytes as borrowed memory, for the time of the call.
  package func withBytes<Result>(
    _ slice: ArenaSlice, _ body: (UnsafeRawBufferPointer) -> Result
  ) -> Result {
    arena.withUnsafeBytes { bytes in body(Tree.part(bytes, slice)) }
  }

  package func name(of node: Node) -> ArraySlice<UInt8> { bytes(node.name) }

  /// The blobs of a file in order; empty for everything else.
  package func content(of node: Node) -> ArraySlice<BlobID> {
    guard node.hasContent else { return [] }
    return contents[Int(node.contentStart)..<Int(node.contentStart) + Int(node.contentCount)]
  }

  /// All blobs that the files of this tree consist of, in order, with repetitions.
  package var allContent: [BlobID] { contents }

  /// Index of the node with this name, by binary search.
  package func index(of name: UnsafeRawBufferPointer) -> Int? {
    arena.withUnsafeBytes { bytes in
      var low = 0
      var high = nodes.count
      while low < high {
        let middle = (low + high) / 2
        let order = compareBytes(Tree.part(bytes, nodes[middle].name), name)
        if order == 0 { return middle }
        if order < 0 { low = middle + 1 } else { high = middle }
      }
      return nil
    }
  }

  /// The node with borrowed strings, for the time of the call.
  package func withFields<Result>(
    of node: Node, _ body: (NodeFields) -> Result
  ) -> Result {
    arena.withUnsafeBytes { bytes in
      contents.withUnsafeBufferPointer { contents in
        var fields = NodeFields(node.facts, name: Tree.part(bytes, node.name))
        fields.user = Tree.part(bytes, node.user)
        fields.group = Tree.part(bytes, node.group)
        fields.linkTarget = Tree.part(bytes, node.linkTarget)
        fields.attributes = Tree.part(bytes, node.attributes)
        fields.genericAttributes = Tree.part(bytes, node.genericAttributes)
        fields.error = Tree.part(bytes, node.error)
        fields.isTargetDamaged = node.isTargetDamaged
        if node.hasContent {
          let start = Int(node.contentStart)
          fields.content = UnsafeBufferPointer(
            rebasing: contents[start..<start + Int(node.contentCount)])
        }
        return body(fields)
      }
    }
  }

  private static func part(
    _ bytes: UnsafeRawBufferPointer, _ slice: ArenaSlice
  ) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(
      rebasing: bytes[Int(slice.offset)..<Int(slice.offset) + Int(slice.count)])
  }

  /// Puts the nodes in order and drops the later ones of each name; gives the names dropped.
  mutating func sortAndUnify() -> [ArenaSlice] {
    let order = arena.withUnsafeBytes { bytes in
      nodes.indices.sorted { a, b in
        let comparison = compareBytes(
          Tree.part(bytes, nodes[a].name), Tree.part(bytes, nodes[b].name))
        return comparison == 0 ? a < b : comparison < 0
      }
    }
    var sorted: [Node] = []
    sorted.reserveCapacity(nodes.count)
    var dropped: [ArenaSlice] = []
    for index in order {
      let node = nodes[index]
      if let last = sorted.last, bytes(last.name).elementsEqual(bytes(node.name)) {
        dropped.append(node.name)
      } else {
        sorted.append(node)
      }
    }
    nodes = sorted
    return dropped
  }
}

/// Why bytes cannot be the name of a node; nil when they can. What would leave the directory when
/// it is restored, or cannot be created, is no name.
func fault(ofName name: UnsafeRawBufferPointer) -> String? {
  if name.isEmpty { return "an empty name" }
  if name.count > NodeLimits.nameByteCountMax { return "a name of \(name.count) bytes" }
  if name.contains(UInt8(ascii: "/")) { return "a name with a slash" }
  if name.contains(0) { return "a name with a NUL byte" }
  if name.elementsEqual([0x2e]) || name.elementsEqual([0x2e, 0x2e]) {
    return "the name \(printable(name))"
  }
  return nil
}
