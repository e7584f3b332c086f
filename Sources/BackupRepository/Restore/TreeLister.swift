import FileTree
import Platform

/// Goes through the tree of a snapshot, depth first and by name, as `restic ls` does. Confined to
/// one thread; holds the trees of one path at a time.
package final class TreeLister {
  /// What to do below a directory.
  package enum Descent: Sendable {
    case enter, pass
  }

  /// A node where it stands.
  package struct Item {
    /// From the root of the snapshot on, with a leading slash.
    package let path: [UInt8]
    package let node: Node
    /// The tree that the node's strings and contents stand in.
    package let tree: Tree
  }

  private final class Level {
    let tree: Tree
    let path: [UInt8]
    var next = 0

    init(_ tree: Tree, path: [UInt8]) {
      self.tree = tree
      self.path = path
    }
  }

  private let reader: BlobReader
  private let decoder: TreeDecoder

  /// Loads the repository's index.
  package convenience init(_ repository: Repository) throws(RepositoryError) {
    try self.init(repository, try repository.loadIndex())
  }

  init(_ repository: Repository, _ index: BlobIndex) throws(RepositoryError) {
    reader = try BlobReader(repository, index)
    decoder = try TreeDecoder()
  }

  /// Visits everything below `start`, a directory of the snapshot, and first the node of `start`
  /// itself when it is not the root. What cannot be read is given to `onDamage`, and the rest goes
  /// on.
  /// - Throws: `RepositoryError.notFound` when there is no such path, what a handler throws, damage
  ///   of the root and of the way to `start`.
  package func list(
    _ root: BlobID, from start: String = "",
    onDamage: (_ path: [UInt8], RepositoryError) throws(RepositoryError) -> Void,
    visit: (Item) throws(RepositoryError) -> Descent
  ) throws(RepositoryError) {
    var levels: [Level] = []
    if let item = try find(root, start) {
      let descent = try visit(item)
      guard item.node.facts.type == .directory, descent == .enter,
        let subtree = item.node.facts.subtree
      else { return }
      levels.append(Level(try tree(subtree), path: item.path))
    } else {
      levels.append(Level(try tree(root), path: []))
    }
    for damage in levels[0].tree.damage {
      try onDamage(levels[0].path, TreeLister.error(of: damage, in: start))
    }
    while let level = levels.last {
      guard level.next < level.tree.nodes.count else {
        levels.removeLast()
        continue
      }
      let node = level.tree.nodes[level.next]
      level.next += 1
      let path = level.path + [0x2f] + level.tree.name(of: node)
      let descent = try visit(Item(path: path, node: node, tree: level.tree))
      guard node.facts.type == .directory, descent == .enter, let subtree = node.facts.subtree
      else { continue }
      do throws(RepositoryError) {
        let tree = try tree(subtree)
        for damage in tree.damage {
          try onDamage(path, TreeLister.error(of: damage, in: printable(path)))
        }
        levels.append(Level(tree, path: path))
      } catch {
        guard error.isDamage else { throw error }
        try onDamage(path, error)
      }
    }
  }

  /// A tree, faulty nodes left out.
  func tree(_ id: BlobID) throws(RepositoryError) -> Tree {
    try reader.tree(id, decoder, .tolerant)
  }

  /// The node at a path of the snapshot; nil for the root.
  func find(_ root: BlobID, _ path: String) throws(RepositoryError) -> Item? {
    var found: Item?
    var next: BlobID? = root
    var walked: [UInt8] = []
    for name in Array(path.utf8).split(separator: 0x2f) where !name.elementsEqual([0x2e]) {
      guard let id = next else { throw TreeLister.notFound(path, after: walked) }
      let tree = try tree(id)
      guard let index = name.withUnsafeBytes({ tree.index(of: $0) }) else {
        throw TreeLister.notFound(path, after: walked)
      }
      walked += [0x2f] + name
      let node = tree.nodes[index]
      found = Item(path: walked, node: node, tree: tree)
      next = node.facts.type == .directory ? node.facts.subtree : nil
    }
    return found
  }

  private static func notFound(_ path: String, after walked: [UInt8]) -> RepositoryError {
    .notFound(
      what: "the snapshot has no \(path)",
      hint: "It has \(walked.isEmpty ? "/" : printable(walked)); `ls` lists what is below it.")
  }

  static func error(of damage: TreeDamage, in place: String) -> RepositoryError {
    .corrupt(.tree, place: place, reason: "\(damage.name): \(damage.reason)")
  }
}
