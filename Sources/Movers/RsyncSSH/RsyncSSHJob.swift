package import Manifests
package import Platform
package import Replication

/// One end of one replication over ssh, as a mover's child gets it.
package struct RsyncSSHJob: Sendable, Equatable {
  package enum Direction: String, Sendable {
    case send
    case receive
  }

  package var direction: Direction
  package var root: String
  /// The peer to connect to, or the address to listen on: empty for all addresses.
  package var host: String
  /// 0 listens on a free port.
  package var port: UInt16
  /// Whom the source logs in as.
  package var user: String
  /// The private key of this end, as OpenSSH writes it.
  package var key: [UInt8]
  /// The public key of the other end.
  package var peerKey: [UInt8]
  /// A receiver ends after the first run that came to its end.
  package var isOnce = true
  package var allowEmptySource = false
  package var excludes: [String] = []
  package var isOneFileSystem = true
  package var guards = JobGuards()

  package init(
    _ direction: Direction, root: String, host: String, port: UInt16, user: String, key: [UInt8],
    peerKey: [UInt8]
  ) {
    self.direction = direction
    self.root = root
    self.host = host
    self.port = port
    self.user = user
    self.key = key
    self.peerKey = peerKey
  }

  /// The field of `spec` that names the mover.
  package static let section = "rsync"
  /// The port of VolSync's Service, and of ssh.
  package static let standardPort: UInt16 = 22
  /// Whom VolSync's movers log in as.
  package static let standardUser = "root"

  package var sendOptions: SendOptions {
    var options = SendOptions(root: root)
    options.oneFileSystem = isOneFileSystem
    options.allowEmptySource = allowEmptySource
    options.sourceGuard = guards.source
    options.deletionLimit = guards.deletions
    // One that says how much may be deleted has decided for both sides.
    if guards.liftsPeer { options.deleteCountMax = .max }
    return options
  }

  package var receiveOptions: ReceiveOptions {
    var options = ReceiveOptions(root: root)
    options.allowEmptyStockSource = allowEmptySource
    options.deletionLimit = guards.deletions
    return options
  }
}

extension RsyncSSHJob {
  package var document: JSONObject {
    [
      "direction": .string(direction.rawValue), "root": .string(root), "host": .string(host),
      "port": .integer(Int64(port)), "user": .string(user), "key": .string(hex(key)),
      "peerKey": .string(hex(peerKey)), "once": .bool(isOnce),
      "allowEmptySource": .bool(allowEmptySource),
      "excludes": .array(excludes.map(JSONValue.string)),
      "oneFileSystem": .bool(isOneFileSystem), "guards": .object(guards.document),
    ]
  }

  package init(_ object: JSONObject) throws(JSONError) {
    guard let direction = Direction(rawValue: try object.string("direction")) else {
      throw JSONError("\"direction\" must be send or receive")
    }
    guard let port = UInt16(exactly: try object.integer("port")) else {
      throw JSONError("\"port\" is out of range")
    }
    guard let key = bytes(hex: try object.string("key")),
      let peerKey = bytes(hex: try object.string("peerKey"))
    else { throw JSONError("\"key\" and \"peerKey\" must be hexadecimal") }
    self.init(
      direction, root: try object.string("root"), host: try object.string("host"), port: port,
      user: try object.string("user"), key: key, peerKey: peerKey)
    isOnce = try object.bool("once")
    allowEmptySource = try object.bool("allowEmptySource")
    excludes = (object["excludes"]?.arrayValue ?? []).compactMap(\.stringValue)
    isOneFileSystem = try object.bool("oneFileSystem")
    guards = JobGuards(object["guards"]?.objectValue)
  }
}

/// The engine behind the section `rsync`; runs in a mover's child, one job at a time. What holds of
/// ``ReplicationEngine`` holds of it.
package protocol SSHReplicationEngine: Sendable {
  func send(
    _ job: RsyncSSHJob, events: @escaping @Sendable (SessionEvent) -> Void
  ) throws -> SessionSummary

  func receive(
    _ job: RsyncSSHJob, events: @escaping @Sendable (SessionEvent) -> Void,
    listening: @escaping @Sendable (HostPort) -> Void
  ) throws -> SessionSummary

  func cancel()
}

/// The work of the section `rsync`: a job for the replication engine over ssh.
package struct RsyncSSHWork: ChildWork {
  private let engine: any SSHReplicationEngine

  package init(engine: any SSHReplicationEngine) { self.engine = engine }

  package func run(
    _ job: JSONObject, events: @escaping @Sendable (MoverEvent) -> Void
  ) throws -> MoverSummary {
    let job = try RsyncSSHJob(job)
    let summary =
      switch job.direction {
      case .send: try engine.send(job) { events(MoverEvent($0)) }
      case .receive:
        try engine.receive(job, events: { events(MoverEvent($0)) }) { events(.listening($0)) }
      }
    return .session(summary)
  }

  package func cancel() { engine.cancel() }
}
