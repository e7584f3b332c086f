import FileTree
import Platform

/// Writes a tree blob byte for byte as restic does, node by node, into one buffer that is kept from
/// tree to tree. Confined to one thread; nothing is allocated for a field.
///
/// `{"nodes":[` nodes `]}` and a newline. A node's members in this order, those with (o) left out
/// when zero or empty: name, type, mode (o), mtime, atime, ctime, uid, gid, user (o), group (o),
/// inode (o), device_id (o), size (o), links (o), linktarget (o), linktarget_raw (only when the
/// target is not UTF-8), extended_attributes (o), generic_attributes (o), device (o), content
/// (`null` but for files), subtree (o), error (o).
/// Source: the restic repository format, "trees and nodes".
package struct TreeEncoder {
  private var json = GoJSON()
  private var scratch: [UInt8] = []
  private var lastName: [UInt8] = []
  package private(set) var nodeCount = 0

  /// Begins a tree.
  package init() { json.raw(#"{"nodes":["#) }

  /// Drops what was written and begins another tree; the memory is kept.
  package mutating func restart() {
    json.removeAll()
    json.raw(#"{"nodes":["#)
    nodeCount = 0
  }

  /// Ends the tree, once; ``bytes`` is the blob then.
  package mutating func finish() { json.raw("]}\n") }

  /// What has been written. Taking a copy that outlives ``restart()`` costs the buffer.
  package var bytes: [UInt8] { json.bytes }

  /// The blob as borrowed memory.
  package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    json.bytes.withUnsafeBytes(body)
  }

  /// Writes the next node; the names have to ascend strictly.
  /// - Throws: `RepositoryError.corrupt` for a name that cannot stand here; nothing is written
  ///   then.
  package mutating func append(_ node: NodeFields) throws(RepositoryError) {
    if let fault = fault(ofName: node.name) { throw .corrupt(.tree, place: "", reason: fault) }
    let order = lastName.withUnsafeBytes { compareBytes($0, node.name) }
    guard nodeCount == 0 || order < 0 else {
      throw .corrupt(
        .tree, place: "", reason: "the name \(printable(node.name)) is out of order")
    }
    lastName.removeAll(keepingCapacity: true)
    lastName.append(contentsOf: node.name)
    if nodeCount > 0 { json.raw(",") }
    nodeCount += 1
    write(node)
  }

  /// Writes a node of a decoded tree.
  package mutating func append(_ node: Node, of tree: Tree) throws(RepositoryError) {
    let failure = tree.withFields(of: node) { fields -> RepositoryError? in
      do throws(RepositoryError) {
        try append(fields)
        return nil
      } catch {
        return error
      }
    }
    if let failure { throw failure }
  }

  private mutating func write(_ node: NodeFields) {
    let facts = node.facts
    json.raw(#"{"name":"#)
    writeName(node.name)
    json.raw(#","type":""#)
    json.raw(facts.type.word)
    json.raw("\"")
    number(#","mode":"#, ifNotZero: UInt64(facts.mode.rawValue))
    time(#","mtime":""#, facts.modified)
    time(#","atime":""#, facts.accessed)
    time(#","ctime":""#, facts.changed)
    json.raw(#","uid":"#)
    json.number(UInt64(facts.userID))
    json.raw(#","gid":"#)
    json.number(UInt64(facts.groupID))
    string(#","user":"#, ifNotEmpty: node.user)
    string(#","group":"#, ifNotEmpty: node.group)
    number(#","inode":"#, ifNotZero: facts.inode)
    number(#","device_id":"#, ifNotZero: facts.deviceID)
    number(#","size":"#, ifNotZero: facts.size)
    number(#","links":"#, ifNotZero: facts.linkCount)
    writeTarget(node)
    writeAttributes(node.attributes)
    if !node.genericAttributes.isEmpty {
      json.raw(#","generic_attributes":"#)
      json.raw(node.genericAttributes)
    }
    number(#","device":"#, ifNotZero: facts.device)
    writeContent(node.content)
    if let subtree = facts.subtree {
      json.raw(#","subtree":"#)
      json.identifier(subtree)
    }
    string(#","error":"#, ifNotEmpty: node.error)
    json.raw("}")
  }

  @inline(__always)
  private mutating func number(_ key: StaticString, ifNotZero value: UInt64) {
    if value == 0 { return }
    json.raw(key)
    json.number(value)
  }

  @inline(__always)
  private mutating func time(_ key: StaticString, _ time: GoTime) {
    json.raw(key)
    time.append(to: &json)
    json.raw("\"")
  }

  @inline(__always)
  private mutating func string(_ key: StaticString, ifNotEmpty text: UnsafeRawBufferPointer) {
    if text.isEmpty { return }
    json.raw(key)
    json.string(text)
  }

  private mutating func writeName(_ name: UnsafeRawBufferPointer) {
    if NameQuoting.isPlain(name) {
      json.string(name)
      return
    }
    scratch.removeAll(keepingCapacity: true)
    NameQuoting.append(name, to: &scratch)
    scratch.withUnsafeBytes { json.string($0) }
  }

  private mutating func writeTarget(_ node: NodeFields) {
    let target = node.linkTarget
    if target.isEmpty { return }
    json.raw(#","linktarget":"#)
    if node.isTargetDamaged {
      writeDamagedTarget(target)
      return
    }
    json.string(target)
    if isUTF8(target) { return }
    json.raw(#","linktarget_raw":""#)
    json.base64(target)
    json.raw("\"")
  }

  /// A target of which restic lost bytes: U+FFFD stands as an escape, as it was written.
  private mutating func writeDamagedTarget(_ target: UnsafeRawBufferPointer) {
    json.raw("\"")
    var start = 0
    var index = 0
    while index < target.count {
      guard target.count - index >= 3, target[index] == 0xef, target[index + 1] == 0xbf,
        target[index + 2] == 0xbd
      else {
        index += 1
        continue
      }
      json.escaped(UnsafeRawBufferPointer(rebasing: target[start..<index]))
      json.raw("\\ufffd")
      index += 3
      start = index
    }
    json.escaped(UnsafeRawBufferPointer(rebasing: target[start...]))
    json.raw("\"")
  }

  private func isUTF8(_ text: UnsafeRawBufferPointer) -> Bool {
    var index = 0
    while index < text.count {
      let length = utf8Length(text, at: index)
      if length == 0 { return false }
      index += length
    }
    return true
  }

  private mutating func writeAttributes(_ block: UnsafeRawBufferPointer) {
    if block.isEmpty { return }
    var position = 0
    var isFirst = true
    while let attribute = NodeAttributes.next(block, &position) {
      json.raw(isFirst ? #","extended_attributes":[{"name":"# : #",{"name":"#)
      isFirst = false
      json.string(attribute.name)
      if attribute.isNull {
        json.raw(#","value":null}"#)
      } else {
        json.raw(#","value":""#)
        json.base64(attribute.value)
        json.raw("\"}")
      }
    }
    if !isFirst { json.raw("]") }
  }

  private mutating func writeContent(_ content: UnsafeBufferPointer<BlobID>?) {
    guard let content else {
      json.raw(#","content":null"#)
      return
    }
    json.raw(#","content":["#)
    for index in content.indices {
      if index > 0 { json.raw(",") }
      json.identifier(content[index])
    }
    json.raw("]")
  }
}
