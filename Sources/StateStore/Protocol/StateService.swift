package import Manifests
import Platform

/// Answers requests from a state directory: in the daemon for its socket, and in a command itself
/// when there is no daemon.
package struct StateService: Sendable {
  /// What stands against a set of objects besides what their kinds say of themselves.
  package typealias Check = @Sendable (ManifestSet) -> [Problem]

  let directory: StateDirectory
  private let check: Check

  package init(_ directory: StateDirectory, check: @escaping Check = { _ in [] }) {
    self.directory = directory
    self.check = check
  }

  /// The answer to any request but a watch.
  package func answer(_ request: StateRequest) -> StateAnswer {
    do throws(StateError) {
      switch request {
      case .list(let kind, let namespace): return .list(try list(kind, namespace))
      case .get(let key):
        var list = ObjectList()
        list.objects = [try object(key)]
        return .list(list)
      case .apply(let files, let namespace):
        return .changes(try apply(files, namespace: namespace))
      case .delete(let keys): return .changes(try delete(keys))
      case .pause(let key, let isPaused): return .changes([try pause(key, isPaused)])
      case .trigger(let key, let tag): return .changes([try trigger(key, tag: tag)])
      case .release(let key, let person): return .changes([try release(key, by: person)])
      case .promote(let key, let isForced):
        return .changes([try promote(key, isForced: isForced)])
      case .relation(let key):
        _ = try existing(key)
        return .relation(try directory.relationFile(of: key).read())
      case .exchange(let steps):
        return .changes(try exchange(steps))
      case .events(let key):
        _ = try existing(key)
        return .events(try directory.events(of: key))
      case .runs(let key, let countMax):
        _ = try existing(key)
        return .runs(try directory.runs(of: key, countMax: countMax))
      case .log(let key, let sizeBytesMax):
        _ = try existing(key)
        let text = try directory.log(of: key, sizeBytesMax: sizeBytesMax)
        return .log(String(decoding: text, as: UTF8.self))
      case .watch: throw .badMessage("a watch has no single answer")
      }
    } catch {
      return StateAnswer(error)
    }
  }

  // MARK: Reading

  func list(_ kind: String?, _ namespace: String?) throws(StateError) -> ObjectList {
    let contents = try directory.load()
    var list = ObjectList()
    list.objects = contents.set.objects.filter { object in
      (kind == nil || object.key.kind == kind)
        && (namespace == nil || object.key.namespace == nil || object.key.namespace == namespace)
    }.compactMap { object in
      contents.document(object.key).map { StoredObject(key: object.key, document: $0) }
    }
    list.problems = contents.problems.sorted { "\($0.key)" < "\($1.key)" }.flatMap(\.value)
    return list
  }

  func object(_ key: ObjectKey) throws(StateError) -> StoredObject {
    let (object, own) = try existing(key)
    return StoredObject(key: key, document: object.document.merged(with: own))
  }

  private func existing(
    _ key: ObjectKey
  ) throws(StateError) -> (object: LoadedObject, own: OwnRecord) {
    guard let found = try directory.object(key) else { throw notFound(key) }
    return found
  }

  private func notFound(_ key: ObjectKey) -> StateError {
    .notFound(resource: directory.registry[key.kind]?.resourceName ?? key.kind, name: key.name)
  }

  // MARK: Changing

  private func apply(
    _ files: [ManifestFile], namespace: String
  ) throws(StateError) -> [ObjectChange] {
    let loader = ManifestLoader(registry: directory.registry, namespace: namespace)
    let given: ManifestSet
    do {
      given = try loader.decode(files.map { ($0.name, $0.text) })
    } catch {
      throw .invalid(error.problems)
    }
    for object in given.objects { _ = try ObjectFiles(object.key, directory.registry) }
    try validate(given, Set(files.map(\.name)))
    let texts = Dictionary(
      files.map { ($0.name, $0.text) }, uniquingKeysWith: { first, _ in first })
    var changes: [ObjectChange] = []
    for object in StateService.ordered(given.objects) {
      let outcome = try directory.put(object, text: texts[object.mark.file] ?? [])
      changes.append(ObjectChange(object.key, outcome))
    }
    let place = Dictionary(
      given.objects.enumerated().map { ($0.element.key, $0.offset) },
      uniquingKeysWith: { first, _ in first })
    return changes.sorted { (place[$0.key] ?? 0) < (place[$1.key] ?? 0) }
  }

  /// Checks the objects together with those that stand here; what is wrong with others is not
  /// theirs.
  private func validate(_ given: ManifestSet, _ names: Set<String>) throws(StateError) {
    let stored = try directory.load().set
    // Those that stand here come first, so that what two cannot share is told of the new one.
    var all = ManifestSet()
    for object in stored.objects where given.object(object.key) == nil { _ = all.insert(object) }
    for object in given.objects { _ = all.insert(object) }
    for key in stored.broken where given.object(key) == nil { all.insertBroken(key) }
    let problems = ProblemList()
    ReferenceCheck(all, problems: problems).checkAll()
    for problem in check(all) where !problems.problems.contains(problem) { problems.add(problem) }
    let theirs = problems.sorted.filter { names.contains($0.mark.file) }
    if !theirs.isEmpty { throw .invalid(theirs) }
  }

  /// What is referred to before what refers to it, so that an apply that is cut short leaves
  /// nothing that runs without its Secret.
  private static func ordered(_ objects: [LoadedObject]) -> [LoadedObject] {
    objects.filter { !($0.manifest is any Replication) }
      + objects.filter { $0.manifest is any Replication }
  }

  private func delete(_ keys: [ObjectKey]) throws(StateError) -> [ObjectChange] {
    for key in keys { _ = try ObjectFiles(key, directory.registry) }
    var changes: [ObjectChange] = []
    for key in keys {
      guard try directory.remove(key) else {
        if keys.count == 1 { throw notFound(key) }
        continue
      }
      changes.append(ObjectChange(key, .deleted))
    }
    return changes
  }

  private func replication(
    _ key: ObjectKey
  ) throws(StateError) -> (object: LoadedObject, spec: any Replication) {
    let (object, _) = try existing(key)
    guard let spec = object.manifest as? any Replication else {
      throw .refused("\(key) does not run", hint: nil)
    }
    return (object, spec)
  }

  private func pause(_ key: ObjectKey, _ isPaused: Bool) throws(StateError) -> ObjectChange {
    let (object, spec) = try replication(key)
    if spec.isPaused == isPaused { return ObjectChange(key, .unchanged) }
    try directory.set(isPaused ? .bool(true) : nil, at: ["spec", "paused"], of: object)
    return ObjectChange(key, .patched)
  }

  private func trigger(_ key: ObjectKey, tag: String) throws(StateError) -> ObjectChange {
    let (object, spec) = try replication(key)
    guard !tag.isEmpty, tag.utf8.count <= StateService.tagSizeBytesMax,
      tag.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f })
    else {
      throw .refused(
        "a tag is a line of at most \(StateService.tagSizeBytesMax) bytes", hint: nil)
    }
    if spec.isPaused {
      throw .refused("\(key) is paused", hint: "Resume it first: drover resume \(key.name).")
    }
    if let manual = spec.trigger.manual {
      if manual == tag { return ObjectChange(key, .unchanged) }
      try directory.set(.string(tag), at: ["spec", "trigger", "manual"], of: object)
    } else {
      // The spec keeps its schedule: a manual tag in it would put the schedule out of force.
      try directory.request(tag, of: key)
    }
    return ObjectChange(key, .patched)
  }

  /// Who has let a run pass stands in the events.
  private func release(_ key: ObjectKey, by person: String) throws(StateError) -> ObjectChange {
    _ = try replication(key)
    let own = try existing(key).own
    let trip = own.status["drover"]?.objectValue?["guard"]?.objectValue
    guard let name = trip?["name"]?.stringValue else { return ObjectChange(key, .unchanged) }
    if own.release != nil { return ObjectChange(key, .unchanged) }
    if let guardName = GuardName(rawValue: name), !guardName.isReleasable {
      throw .refused(
        "\(key): the guard \(name) is not released",
        hint: "It ends by itself: \(trip?["message"]?.stringValue ?? "see drover describe")")
    }
    let now = directory.clock.wallTime()
    try directory.release(key, tag: "\(now.rfc3339) \(hex(SecureRandom.bytes(4)))")
    try directory.add(
      EventRecord(
        .normal, "GuardReleased",
        "the guard \(name) lets the next run pass, by \(printable(person.utf8.prefix(64)))", at: now
      ),
      of: key)
    return ObjectChange(key, .patched)
  }

  private func promote(
    _ key: ObjectKey, isForced: Bool
  ) throws(StateError) -> ObjectChange {
    let (_, spec) = try replication(key)
    guard spec is ReplicationDestination, case .rsyncTLS? = spec.mover else {
      throw .refused(
        "\(key) is no destination with rsyncTLS",
        hint: "What other movers fill belongs to nobody else: pause it and use the volume.")
    }
    let before = try directory.relationFile(of: key).read()
    if before.isPromoted { return ObjectChange(key, .unchanged) }
    if let time = before.openSessionTime, !isForced {
      throw .refused(
        "\(key): a sync of it is under way, or was cut short, since \(time.rfc3339): some of its "
          + "files are of a later moment than others",
        hint: "Let the source finish it; or use status.latestImage, if it is set; or hand out what "
          + "is there with --force.")
    }
    let now = directory.clock.wallTime()
    try directory.updateRelation(of: key) { $0.promote(at: now) }
    return ObjectChange(key, .patched)
  }

  private func exchange(_ steps: [ExchangeStep]) throws(StateError) -> [ObjectChange] {
    var made: Set<ObjectKey> = []
    for step in steps {
      _ = try ObjectFiles(step.key, directory.registry)
      if case .put(let key, let text) = step {
        let loader = ManifestLoader(
          registry: directory.registry, namespace: key.namespace ?? "default")
        let (set, problems) = loader.decodeEach([(key.name, Array(text.utf8))])
        guard problems.isEmpty, set.object(key) != nil, set.objects.count == 1 else {
          throw .invalid(problems)
        }
        made.insert(key)
      } else if !made.contains(step.key) {
        _ = try existing(step.key)
      }
    }
    try directory.exchange(steps)
    var seen: Set<ObjectKey> = []
    return steps.map(\.key).filter { seen.insert($0).inserted }
      .map { ObjectChange($0, made.contains($0) ? .created : .patched) }
  }

  private static let tagSizeBytesMax = 253
}
