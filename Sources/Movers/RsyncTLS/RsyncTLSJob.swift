package import Platform
package import Replication
import StateStore
import Volumes

/// One end of one replication over TLS-PSK, as a mover's child gets it.
package struct RsyncTLSJob: Sendable, Equatable {
  package enum Direction: String, Sendable {
    case send
    case receive
  }

  package var direction: Direction
  /// The directory, block device or raw image.
  package var root: String
  /// The peer to connect to, or the address to listen on: empty for all addresses.
  package var host: String
  /// 0 listens on a free port.
  package var port: UInt16
  /// The content of `psk.txt`.
  package var key: [UInt8]
  /// The identity to present; nil for the first line of the key. Of no meaning to a receiver.
  package var identity: String?
  /// A receiver ends after the first run that came to its end; failed ones do not count.
  package var isOnce = true
  /// A receiver gets its connections over standard input instead of listening.
  package var isHanded = false
  /// Of the relationship, as this end knows it.
  package var generation = RelationRecord.firstGeneration
  /// Where a receiver keeps it; nil for nowhere.
  package var relationPath: String?
  /// The object, for messages of a receiver.
  package var name: String?
  /// Of a receiver: for a stock source; others say so themselves.
  package var allowEmptySource = false
  /// Patterns that do not travel.
  package var excludes: [String] = []
  package var isOneFileSystem = true
  package var guards = JobGuards()

  package init(
    _ direction: Direction, root: String, host: String, port: UInt16, key: [UInt8]
  ) {
    self.direction = direction
    self.root = root
    self.host = host
    self.port = port
    self.key = key
  }

  /// The field of `spec` that names the mover.
  package static let section = "rsyncTLS"
  /// What VolSync's mover leaves out of every run, and where copies and images stand.
  package static let standardExcludes = ["lost+found", CopyPlace.name]

  /// The engine's options, but for ``excludes``: the rules are made where the engine is at home.
  package var sendOptions: SendOptions {
    var options = SendOptions(root: root)
    options.oneFileSystem = isOneFileSystem
    options.allowEmptySource = allowEmptySource
    options.sourceGuard = guards.source
    options.deletionLimit = guards.deletions
    // One that says how much may be deleted has decided for both sides.
    if guards.liftsPeer { options.deleteCountMax = .max }
    options.generation = UInt64(max(1, generation))
    return options
  }

  package var receiveOptions: ReceiveOptions {
    var options = ReceiveOptions(root: root)
    options.allowEmptyStockSource = allowEmptySource
    options.deletionLimit = guards.deletions
    options.fence = relationPath.map {
      RelationFence(RelationFile($0), name: name ?? "the destination")
    }
    return options
  }
}

extension RsyncTLSJob {
  package var document: JSONObject {
    var object: JSONObject = [
      "direction": .string(direction.rawValue), "root": .string(root), "host": .string(host),
      "port": .integer(Int64(port)), "key": .string(hex(key)), "once": .bool(isOnce),
      "handed": .bool(isHanded), "generation": .integer(generation),
      "allowEmptySource": .bool(allowEmptySource),
      "excludes": .array(excludes.map(JSONValue.string)),
      "oneFileSystem": .bool(isOneFileSystem), "guards": .object(guards.document),
    ]
    if let relationPath { object["relation"] = .string(relationPath) }
    if let name { object["name"] = .string(name) }
    if let identity { object["identity"] = .string(identity) }
    return object
  }

  package init(_ object: JSONObject) throws(JSONError) {
    guard let direction = Direction(rawValue: try object.string("direction")) else {
      throw JSONError("\"direction\" must be send or receive")
    }
    guard let port = UInt16(exactly: try object.integer("port")) else {
      throw JSONError("\"port\" is out of range")
    }
    guard let key = bytes(hex: try object.string("key")) else {
      throw JSONError("\"key\" must be hexadecimal")
    }
    self.init(
      direction, root: try object.string("root"), host: try object.string("host"), port: port,
      key: key)
    identity = object["identity"]?.stringValue
    isOnce = try object.bool("once")
    generation = object["generation"]?.integerValue ?? RelationRecord.firstGeneration
    relationPath = object["relation"]?.stringValue
    name = object["name"]?.stringValue
    isHanded = object["handed"]?.boolValue ?? false
    allowEmptySource = try object.bool("allowEmptySource")
    excludes = (object["excludes"]?.arrayValue ?? []).compactMap(\.stringValue)
    isOneFileSystem = try object.bool("oneFileSystem")
    guards = JobGuards(object["guards"]?.objectValue)
  }
}
