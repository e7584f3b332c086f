import Manifests
import Platform

/// Where the files of one object stand: decided by its key alone, which has been checked, so that
/// no name leads out of the directory.
struct ObjectFiles: Sendable {
  /// Holds kinds of the whole cluster; no namespace has that name.
  static let clusterDirectory = "_cluster"
  static let suffix = ".yaml"
  static let statusSuffix = ".status.yaml"
  static let damagedSuffix = ".status.yaml.damaged"
  static let runsSuffix = ".runs.jsonl"
  static let eventsSuffix = ".events.jsonl"
  static let logSuffix = ".log"
  static let relationSuffix = ".relation.json"
  /// Behind the name of a file that was full.
  static let olderSuffix = ".1"

  /// `<namespace>/<kind>` below the root.
  let directory: String
  let name: String

  var file: String { name + ObjectFiles.suffix }
  var status: String { name + ObjectFiles.statusSuffix }
  var damagedStatus: String { name + ObjectFiles.damagedSuffix }
  var runs: String { name + ObjectFiles.runsSuffix }
  var events: String { name + ObjectFiles.eventsSuffix }
  var log: String { name + ObjectFiles.logSuffix }
  var relation: String { name + ObjectFiles.relationSuffix }

  /// Everything but the object itself.
  var others: [String] {
    let records = [runs, events, log]
    return [status, damagedStatus, relation] + records
      + records.map { $0 + ObjectFiles.olderSuffix }
  }

  /// - Throws: ``StateError/badName(_:)``, ``StateError/noKind(_:suggestion:)``.
  init(_ key: ObjectKey, _ registry: KindRegistry) throws(StateError) {
    guard let type = registry[key.kind] else { throw .noKind(key.kind, suggestion: nil) }
    if let problem = ObjectName.problem(inName: key.name) { throw .badName(problem) }
    guard key.name.utf8.count <= StateLimits.nameSizeBytesMax else {
      throw .badName(
        "\"\(key.name)\" is too long: names are at most \(StateLimits.nameSizeBytesMax) bytes here")
    }
    guard !key.name.hasSuffix(".status") else {
      throw .badName("\"\(key.name)\" ends like a file of status: choose another name")
    }
    var place = ObjectFiles.clusterDirectory
    if type.isNamespaced {
      place = key.namespace ?? "default"
      if let problem = ObjectName.problem(inNamespace: place) { throw .badName(problem) }
    }
    directory = "\(place)/\(type.lowerCaseKind)"
    name = key.name
  }

  /// The name of the object that a file of a directory holds; nil for any other file.
  static func objectName(ofFile file: String) -> String? {
    guard file.hasSuffix(suffix), !file.hasSuffix(statusSuffix), !file.hasPrefix(".") else {
      return nil
    }
    return String(file.dropLast(suffix.count))
  }
}
