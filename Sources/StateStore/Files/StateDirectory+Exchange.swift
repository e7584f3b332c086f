import Glibc
import Manifests
import Platform

extension StateDirectory {
  private static let journalName = "drover.exchange"
  private static let journalSizeBytesMax = 16 << 20

  /// Does all steps or, when this process ends before the first, none.
  func exchange(_ steps: [ExchangeStep]) throws(StateError) {
    let text = JSONValue.array(steps.map { .object($0.document) }).encoded()
    do {
      try DurableFile.replace(
        StateDirectory.journalName, in: path, with: text, mode: 0o600)
    } catch {
      throw .directory(error)
    }
    try finishExchange()
  }

  /// Does what is left of an exchange whose process was killed.
  func finishExchange() throws(StateError) {
    let journal = "\(path)/\(StateDirectory.journalName)"
    let text: [UInt8]
    do {
      text = try SmallFile.read(journal, sizeBytesMax: StateDirectory.journalSizeBytesMax)
    } catch {
      if error.errno == ENOENT { return }
      throw .directory(error)
    }
    let steps: [ExchangeStep]
    do throws(JSONError) {
      steps =
        try (try JSONValue(parsing: text)).arrayValue?.map { value throws(JSONError) in
          guard let object = value.objectValue else { throw JSONError("a step must be an object") }
          return try ExchangeStep(object)
        } ?? []
    } catch {
      throw .badMessage("\(journal) is damaged: \(error.reason)")
    }
    for step in steps { try perform(step) }
    unlink(journal)
    do {
      try DurableFile.synchronizeDirectory(path)
    } catch {
      throw .directory(error)
    }
  }

  private func perform(_ step: ExchangeStep) throws(StateError) {
    switch step {
    case .put(let key, let text):
      let place = "\(path)/\(try ObjectFiles(key, registry).directory)/\(key.name)"
      let loader = ManifestLoader(registry: registry, namespace: key.namespace ?? "default")
      guard let object = loader.decodeEach([(place, Array(text.utf8))]).set.objects.first else {
        throw .badMessage("a step of an exchange holds no object for \(key)")
      }
      _ = try put(object, text: Array(text.utf8))
    case .edit(let key, let path, let value):
      guard let (object, _) = try self.object(key) else {
        throw .notFound(resource: key.kind, name: key.name)
      }
      try set(.string(value), at: path, of: object)
    case .relation(let key, let record):
      try updateRelation(of: key) { $0 = record }
      // A daemon writes these anew; without one they would tell what was.
      try update(key) { own in
        for member in own.status.members {
          guard var section = member.value.objectValue else { continue }
          for name in ["promoted", "fenced"] { section[name] = nil }
          own.status[member.name] = .object(section)
        }
      }
    case .request(let key, let tag): try request(tag, of: key)
    }
  }
}
