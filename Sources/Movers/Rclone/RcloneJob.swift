package import Platform

/// One mirror of a volume to remotes of rclone, or from one, as a mover's child gets it.
package struct RcloneJob: Sendable, Equatable {
  package enum Direction: String, Sendable {
    case source
    case destination
  }

  /// A place that a configuration names.
  package struct Remote: Sendable, Equatable {
    /// `SECTION:PATH`.
    package var address: String
    /// When a run before this one was successful there, as the status has it.
    package var lastSyncTime: String?

    package init(_ address: String, lastSyncTime: String? = nil) {
      self.address = address
      self.lastSyncTime = lastSyncTime
    }
  }

  /// The field of `spec` that names the mover.
  package static let section = "rclone"

  package var direction: Direction
  /// The directory of the volume.
  package var root: String
  /// The text of `rclone.conf`.
  package var configuration: [UInt8]
  /// The variables of the Secret that begin with `RCLONE_`.
  package var environment: [String: [UInt8]] = [:]
  /// Certificates in PEM to trust besides those of the system.
  package var certificates: [UInt8] = []
  /// One for a destination; for a source at least one.
  package var remotes: [Remote]
  /// Lets an empty volume empty the remotes, and an empty remote empty the volume.
  package var allowsEmpty = false
  package var guards = JobGuards()

  package init(
    _ direction: Direction, root: String, configuration: [UInt8], remotes: [Remote]
  ) {
    self.direction = direction
    self.root = root
    self.configuration = configuration
    self.remotes = remotes
  }
}

// MARK: JSON

extension RcloneJob {
  package var document: JSONObject {
    var variables = JSONObject()
    for (name, value) in environment.sorted(by: { $0.key < $1.key }) {
      variables[name] = .string(Base64.text(of: value))
    }
    return [
      "direction": .string(direction.rawValue), "root": .string(root),
      "configuration": .string(Base64.text(of: configuration)),
      "environment": .object(variables),
      "certificates": .string(Base64.text(of: certificates)),
      "remotes": .array(remotes.map { .object($0.document) }),
      "allowsEmpty": .bool(allowsEmpty), "guards": .object(guards.document),
    ]
  }

  package init(_ object: JSONObject) throws(JSONError) {
    func decoded(_ text: String?, _ name: String) throws(JSONError) -> [UInt8] {
      guard let bytes = text.flatMap(Base64.bytes(of:)) else {
        throw JSONError("\"\(name)\" must be base64")
      }
      return bytes
    }
    guard let direction = Direction(rawValue: try object.string("direction")) else {
      throw JSONError("\"direction\" must be source or destination")
    }
    var remotes: [Remote] = []
    for remote in object["remotes"]?.arrayValue ?? [] {
      guard let remote = remote.objectValue else { throw JSONError("a remote must be an object") }
      remotes.append(try Remote(remote))
    }
    guard !remotes.isEmpty, direction == .source || remotes.count == 1 else {
      throw JSONError("\"remotes\" has the wrong count")
    }
    self.init(
      direction, root: try object.string("root"),
      configuration: try decoded(try object.string("configuration"), "configuration"),
      remotes: remotes)
    for variable in object["environment"]?.objectValue?.members ?? [] {
      environment[variable.name] = try decoded(variable.value.stringValue, variable.name)
    }
    certificates = try decoded(try object.string("certificates"), "certificates")
    allowsEmpty = try object.bool("allowsEmpty")
    guards = JobGuards(object["guards"]?.objectValue)
  }
}

extension RcloneJob.Remote {
  fileprivate var document: JSONObject {
    var object: JSONObject = ["address": .string(address)]
    if let lastSyncTime { object["lastSyncTime"] = .string(lastSyncTime) }
    return object
  }

  fileprivate init(_ object: JSONObject) throws(JSONError) {
    self.init(try object.string("address"), lastSyncTime: object["lastSyncTime"]?.stringValue)
  }
}
