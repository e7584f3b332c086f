package import Platform
package import Replication

private var progressCounts: [(String, WritableKeyPath<SessionProgress, Int64>)] {
  [
    ("entries", \.entryCount), ("filesDone", \.fileCountDone), ("filesTotal", \.fileCountTotal),
    ("bytesDone", \.sizeBytesDone), ("bytesTotal", \.sizeBytesTotal),
  ]
}

private var summaryCounts: [(String, WritableKeyPath<SessionSummary, Int64>)] {
  [
    ("entries", \.entryCount), ("files", \.fileCountTotal),
    ("filesTransferred", \.fileCountTransferred), ("created", \.entryCountCreated),
    ("deleted", \.entryCountDeleted), ("attributesChanged", \.entryCountAttributesChanged),
    ("bytes", \.sizeBytesTotal), ("literalBytes", \.literalBytes),
    ("matchedBytes", \.matchedBytes), ("wireBytesSent", \.wireBytesSent),
    ("wireBytesReceived", \.wireBytesReceived), ("warnings", \.warningCount),
  ]
}

extension SessionProgress {
  package func document(event: String) -> JSONObject {
    var object: JSONObject = ["event": .string(event)]
    for (name, path) in progressCounts { object[name] = .integer(self[keyPath: path]) }
    object["walkIsComplete"] = .bool(walkIsComplete)
    return object
  }

  package init(_ object: JSONObject) throws(JSONError) {
    self.init()
    for (name, path) in progressCounts { self[keyPath: path] = try object.integer(name) }
    walkIsComplete = try object.bool("walkIsComplete")
  }
}

extension SessionSummary {
  package func document(event: String) -> JSONObject {
    var object: JSONObject = ["event": .string(event)]
    for (name, path) in summaryCounts { object[name] = .integer(self[keyPath: path]) }
    object["durationSeconds"] = .double(durationSeconds)
    if let treeDigest { object["treeDigest"] = .string(hex(treeDigest)) }
    object["stages"] = .array(stages.map { .object($0.document) })
    if let bottleneck { object["bottleneck"] = .string(bottleneck) }
    if isOfStockPeer { object["peer"] = .string("rsync") }
    return object
  }

  package init(_ object: JSONObject) throws(JSONError) {
    self.init()
    for (name, path) in summaryCounts { self[keyPath: path] = try object.integer(name) }
    durationSeconds = object["durationSeconds"]?.doubleValue ?? 0
    treeDigest = object["treeDigest"]?.stringValue.flatMap { bytes(hex: $0) }
    bottleneck = object["bottleneck"]?.stringValue
    isOfStockPeer = object["peer"]?.stringValue == "rsync"
    for stage in object["stages"]?.arrayValue ?? [] {
      guard let stage = stage.objectValue else { throw JSONError("\"stages\" must hold objects") }
      stages.append(try StageTime(stage))
    }
  }

  /// The summary as lines of a mover's log.
  package var logText: String {
    var lines = [
      "files: \(fileCountTotal), transferred \(fileCountTransferred), "
        + "created \(entryCountCreated), deleted \(entryCountDeleted), "
        + "attributes \(entryCountAttributesChanged)",
      "bytes: \(sizeBytesTotal), literal \(literalBytes), matched \(matchedBytes)",
      "wire: sent \(wireBytesSent), received \(wireBytesReceived), speed-up \(tenths(speedUp))",
    ]
    if isOfStockPeer { lines.append(SessionSummary.stockPeerText) }
    if let treeDigest { lines.append("tree: \(hex(treeDigest))") }
    if let shortfall = MoverSummary.session(self).shortfall { lines.append(shortfall) }
    return lines.joined(separator: "\n") + "\n"
  }

  private func tenths(_ value: Double) -> String {
    let scaled = Int64(min(value, 1e12) * 10)
    return "\(scaled / 10).\(scaled % 10)"
  }
}

extension StageTime {
  fileprivate var document: JSONObject {
    [
      "stage": .string(stage), "busySeconds": .double(busySeconds),
      "inputWaitSeconds": .double(inputWaitSeconds),
      "outputWaitSeconds": .double(outputWaitSeconds),
    ]
  }

  fileprivate init(_ object: JSONObject) throws(JSONError) {
    self.init(
      stage: try object.string("stage"), busySeconds: object["busySeconds"]?.doubleValue ?? 0,
      inputWaitSeconds: object["inputWaitSeconds"]?.doubleValue ?? 0,
      outputWaitSeconds: object["outputWaitSeconds"]?.doubleValue ?? 0)
  }
}
