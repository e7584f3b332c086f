/// The JSON that restic's commands print of snapshots and nodes, and that scripts read: the stored
/// members first, in Go's form.
/// Source: restic's manual, "Scripting".
package enum RecordText {
  /// How a snapshot's object ends.
  package enum SnapshotKind: Sendable {
    /// With `id` and `short_id`, as in lists.
    case listed
    /// With `id`, `short_id` and the type of the message, as `ls` begins with.
    case message
    /// Without a name.
    case bare
  }

  /// A snapshot as one object.
  package static func snapshot(_ snapshot: StoredSnapshot, _ kind: SnapshotKind) -> [UInt8] {
    var text = snapshot.record.encoded()
    guard kind != .bare else { return text }
    text.removeLast()
    text.append(contentsOf: ",\"id\":\"\(snapshot.id.hex)\"".utf8)
    text.append(contentsOf: ",\"short_id\":\"\(snapshot.id.short)\"".utf8)
    if kind == .message {
      text.append(contentsOf: ",\"message_type\":\"snapshot\",\"struct_type\":\"snapshot\"".utf8)
    }
    text.append(UInt8(ascii: "}"))
    return text
  }

  /// A node as `ls` prints it, one object.
  package static func node(_ node: NodeFields, path: [UInt8]) -> [UInt8] {
    var writer = RecordWriter()
    let facts = node.facts
    writer.key("name")
    writer.json.string(node.name)
    writer.field("type", "\(facts.type.word)")
    writer.key("path")
    path.withUnsafeBytes { writer.json.string($0) }
    writer.field("uid", UInt64(facts.userID))
    writer.field("gid", UInt64(facts.groupID))
    if facts.type == .file { writer.field("size", facts.size) }
    writer.field("mode", ifNotZero: facts.mode.rawValue)
    writer.field("permissions", facts.mode.text)
    writer.field("mtime", facts.modified)
    writer.field("atime", facts.accessed)
    writer.field("ctime", facts.changed)
    if facts.inode != 0 { writer.field("inode", facts.inode) }
    writer.field("message_type", "node")
    writer.field("struct_type", "node")
    return writer.finish()
  }
}

extension FileMode {
  /// The mode as Go prints it: `drwxr-xr-x`, `Dcrw-rw----`, `urwxr-xr-x`.
  /// Source: Go's `io/fs`, `FileMode.String`.
  package var text: String {
    var text = ""
    for (place, letter) in "dalTLDpSugct?".enumerated() where rawValue & 1 << (31 - place) != 0 {
      text.append(letter)
    }
    if text.isEmpty { text = "-" }
    for (place, letter) in "rwxrwxrwx".enumerated() {
      text.append(rawValue & 1 << (8 - place) != 0 ? letter : "-")
    }
    return text
  }

  /// The same with the bit of a type, which some nodes lack.
  package func text(of type: NodeType) -> String {
    FileMode(rawValue: rawValue | FileMode(type, permissions: 0).rawValue).text
  }
}
