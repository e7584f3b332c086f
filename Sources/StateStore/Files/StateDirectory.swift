import Glibc
package import Manifests
package import Platform

/// The state directory: the user's objects, and beside each what Drover keeps of it.
///
/// ```
/// drover.lock                         whose the directory is
/// drover.sock                         where the daemon answers
/// <namespace>/<kind>/<name>.yaml      an object, as the user gave it (_cluster for a namespace)
///                    <name>.status.yaml   identity and status
///                    <name>.relation.json the generation of a replication
///                    <name>.runs.jsonl    runs, <name>.events.jsonl events, <name>.log the log
/// ```
/// One process holds it at a time. Files are replaced in one step, so that a reader, and a process
/// that is killed, sees the old or the new. Safe to use from any thread.
package final class StateDirectory: @unchecked Sendable {
  package let path: String
  package let registry: KindRegistry
  /// Which objects change.
  package let changes = ChangeFeed()
  /// Which objects are to be other than they were: not told for status and records.
  package let orders = ChangeFeed()
  /// For which objects, that stay as they are, a run or a release was asked for.
  package let requests = ChangeFeed()
  let clock: any Clock
  private let held: StateLock
  /// By key, so that files of one object are written one after the other.
  private let stripes = (0..<16).map { _ in Lock() }
  private let lock = Lock()
  // Guarded by `lock`.
  private var files: [ObjectKey: ReadFile] = [:]
  private var own: [ObjectKey: OwnRecord] = [:]
  private var tails: [ObjectKey: [EventRecord]] = [:]
  /// Removed by a request, and not there again.
  private var removed: Set<ObjectKey> = []

  package enum Absence: Sendable { case make, refuse }

  /// Opens a directory and takes its lock; nil when another process holds it.
  ///
  /// Removes what a killed process has left of files under way.
  /// - Throws: ``StateError/directory(_:)``, ``StateError/noDirectory(path:)``.
  package static func open(
    _ path: String, absence: Absence = .make, registry: KindRegistry = .standard,
    clock: any Clock = SystemClock()
  ) throws(StateError) -> StateDirectory? {
    if absence == .make { makeDirectories(path) }
    let directory: StateDirectory
    do throws(PlatformError) {
      guard let held = try StateLock(taking: "\(path)/\(StateLock.name)") else { return nil }
      directory = StateDirectory(path, registry, clock, held)
      try directory.removeLeftovers()
    } catch {
      if absence == .refuse, error.errno == ENOENT { throw .noDirectory(path: path) }
      throw .directory(error)
    }
    try directory.finishExchange()
    return directory
  }

  private init(_ path: String, _ registry: KindRegistry, _ clock: any Clock, _ held: StateLock) {
    self.path = path
    self.registry = registry
    self.clock = clock
    self.held = held
  }

  /// The process that holds the lock of a directory, for messages.
  package static func holder(of path: String) -> String? {
    StateLock.holder(of: "\(path)/\(StateLock.name)")
  }

  /// What cannot be made shows when the lock is taken.
  private static func makeDirectories(_ path: String) {
    var end = path.startIndex
    while end < path.endIndex {
      end = path[path.index(after: end)...].firstIndex(of: "/") ?? path.endIndex
      _ = mkdir(String(path[..<end]), 0o700)
    }
  }

  static let workName = "_run"

  /// Below the root, for locks of movers and what runs keep beside them; made at need.
  package func makeWorkDirectory() throws(StateError) -> String {
    let work = "\(path)/\(StateDirectory.workName)"
    if mkdir(work, 0o700) != 0, errno != EEXIST { throw .directory(.last("mkdir", work)) }
    return work
  }

  // MARK: Reading

  /// Everything that stands in the directory; one file that is wrong hides no other.
  package func load() throws(StateError) -> StateContents {
    var contents = StateContents()
    do throws(PlatformError) {
      for place in try places() {
        for name in try names(in: place.directory) {
          guard let name = ObjectFiles.objectName(ofFile: name) else { continue }
          let key = ObjectKey(
            kind: place.type.uniqueKind, namespace: place.namespace, name: name)
          add(key, place, to: &contents)
        }
      }
    } catch {
      throw .directory(error)
    }
    return contents
  }

  private func add(_ key: ObjectKey, _ place: Place, to contents: inout StateContents) {
    let files: ObjectFiles
    do {
      files = try ObjectFiles(key, registry)
    } catch {
      let file = "\(path)/\(place.directory)/\(key.name)\(ObjectFiles.suffix)"
      let mark = Mark(file: file, line: 1, column: 1)
      contents.add(broken: key, [Problem(mark, error.message)], FileStamp.none)
      return
    }
    guard let file = read(key, files) else { return }
    switch file.content {
    case .success(let object):
      contents.add(object, ownRecord(of: key, files, file.specDigest), file.stamp)
    case .failure(let problems): contents.add(broken: key, problems.problems, file.stamp)
    }
  }

  /// The object of a key; nil when there is none.
  /// - Throws: also ``StateError/invalid(_:)`` when its file is wrong.
  package func object(
    _ key: ObjectKey
  ) throws(StateError) -> (object: LoadedObject, own: OwnRecord)? {
    let files = try ObjectFiles(key, registry)
    guard let file = read(key, files) else { return nil }
    switch file.content {
    case .success(let object): return (object, ownRecord(of: key, files, file.specDigest))
    case .failure(let problems): throw .invalid(problems.problems)
    }
  }

  /// The file of a key, decoded again only when it has changed; nil when there is none.
  private func read(_ key: ObjectKey, _ files: ObjectFiles) -> ReadFile? {
    let place = "\(path)/\(files.directory)/\(files.file)"
    guard let stamp = FileStamp(of: place) else { return nil }
    if let known = lock.withLock({ self.files[key] }), known.stamp == stamp { return known }
    let file = ReadFile(stamp: stamp, content: decode(key, at: place))
    lock.withLock { self.files[key] = file }
    return file
  }

  private func decode(_ key: ObjectKey, at place: String) -> Result<LoadedObject, FileProblems> {
    let mark = Mark(file: place, line: 1, column: 1)
    let text: [UInt8]
    do {
      text = try SmallFile.read(place, sizeBytesMax: StateLimits.objectSizeBytesMax)
    } catch {
      return .failure(FileProblems([Problem(mark, "cannot be read: \(error.message)")]))
    }
    let loader = ManifestLoader(registry: registry, namespace: key.namespace ?? "default")
    let (set, problems) = loader.decodeEach([(place, text)])
    if !problems.isEmpty { return .failure(FileProblems(problems)) }
    guard let object = set.objects.first, set.objects.count == 1 else {
      let found = set.objects.isEmpty ? "no object" : "\(set.objects.count) objects"
      return .failure(FileProblems([Problem(mark, "holds \(found): one is expected, \(key)")]))
    }
    guard object.key == key else {
      return .failure(
        FileProblems([Problem(object.mark, "holds \(object.key), but stands in place of \(key)")]))
    }
    return .success(object)
  }

  /// What is kept of an object, made or mended when it is not there.
  private func ownRecord(
    of key: ObjectKey, _ files: ObjectFiles, _ digest: String
  ) -> OwnRecord {
    stripe(of: key).withLock {
      var record = lock.withLock { own[key] } ?? storedRecord(of: key, files)
      let before = record
      if record == nil { record = .fresh(specDigest: digest, at: clock.wallTime()) }
      guard var record else { preconditionFailure("a record was made") }
      if record.specDigest != digest {
        // One that was recovered has none.
        if !record.specDigest.isEmpty { record.generation += 1 }
        record.specDigest = digest
      }
      if record != before {
        // When it cannot be stored now, it is with the next change; asking must not fail.
        try? store(record, files)
      }
      lock.withLock { own[key] = record }
      return record
    }
  }

  /// The record of the status file; a damaged file is set aside, and what the history says is
  /// taken.
  private func storedRecord(of key: ObjectKey, _ files: ObjectFiles) -> OwnRecord? {
    let place = "\(path)/\(files.directory)/\(files.status)"
    let reason: String
    do throws(PlatformError) {
      let text = try SmallFile.read(place, sizeBytesMax: StateLimits.statusSizeBytesMax)
      // What cannot be parsed is damaged, whatever is wrong.
      let documents = (try? parseYAML(text, file: place)) ?? []
      let document = documents.count == 1 ? documents[0].jsonValue.objectValue : nil
      if let record = document.flatMap(OwnRecord.init) { return record }
      reason = "it is not what was written"
    } catch {
      if error.errno == ENOENT { return nil }
      reason = error.message
    }
    _ = rename(place, "\(path)/\(files.directory)/\(files.damagedStatus)")
    append(
      EventRecord(
        .warning, "StatusDamaged",
        "The status file could not be read (\(reason)); it was set aside as "
          + "\(files.damagedStatus), and the time of the last run taken from the history",
        at: clock.wallTime()), of: key, files)
    return recovered(files)
  }

  private func recovered(_ files: ObjectFiles) -> OwnRecord {
    var record = OwnRecord.fresh(specDigest: "", at: clock.wallTime())
    // A history that cannot be read either tells nothing.
    let runs = (try? runFile(files).records()) ?? []
    let counted = runs.lazy.reversed().compactMap(RunRecord.init).first {
      $0.outcome == .successful || $0.outcome == .incomplete
    }
    if let counted { record.status["lastSyncTime"] = .string(counted.ended.rfc3339) }
    return record
  }

  // MARK: Writing

  /// Stores an object; `text` is that of its file.
  package func put(_ object: LoadedObject, text: [UInt8]) throws(StateError) -> ChangeOutcome {
    let (key, document) = (object.key, object.document.asWritten)
    let files = try ObjectFiles(key, registry)
    let content = ObjectText.stored(document, from: text, line: object.mark.line)
    let before = read(key, files)
    if case .success(let old)? = before?.content,
      JSONValue.object(old.document.asWritten).sorted == JSONValue.object(document).sorted
    {
      return .unchanged
    }
    try write(content, key, files)
    return before == nil ? .created : .configured
  }

  /// Changes one field of an object's spec.
  package func set(
    _ value: JSONValue?, at path: [String], of object: LoadedObject
  ) throws(StateError) {
    let files = try ObjectFiles(object.key, registry)
    let document = object.document.asWritten.setting(value, at: path[...])
    guard document != object.document.asWritten else { return }
    let place = "\(self.path)/\(files.directory)/\(files.file)"
    let text: [UInt8]
    do {
      text = try SmallFile.read(place, sizeBytesMax: StateLimits.objectSizeBytesMax)
    } catch {
      throw .directory(error)
    }
    try write(ObjectText.edited(text, path: path, value: value, to: document), object.key, files)
  }

  private func write(
    _ content: [UInt8], _ key: ObjectKey, _ files: ObjectFiles
  ) throws(StateError) {
    let place = "\(path)/\(files.directory)"
    StateDirectory.makeDirectories(place)
    do throws(PlatformError) {
      try stripe(of: key).withLock { () throws(PlatformError) in
        try DurableFile.replace(
          files.file, in: place, with: content, mode: key.kind == Secret.kind ? 0o600 : 0o644)
      }
    } catch {
      throw .directory(error)
    }
    lock.withLock { _ = removed.remove(key) }
    changes.note(key)
    orders.note(key)
  }

  /// Whether an object has been removed by a request, and not by hand.
  package func wasRemoved(_ key: ObjectKey) -> Bool { lock.withLock { removed.contains(key) } }

  /// Removes an object with all that is kept of it; false when there was none.
  package func remove(_ key: ObjectKey) throws(StateError) -> Bool {
    let files = try ObjectFiles(key, registry)
    let place = "\(path)/\(files.directory)"
    let wasThere = try stripe(of: key).withLock { () throws(StateError) -> Bool in
      let wasThere = unlink("\(place)/\(files.file)") == 0
      if !wasThere, errno != ENOENT { throw .directory(.last("unlink", "\(place)/\(files.file)")) }
      forget(key)
      for name in files.others { unlink("\(place)/\(name)") }
      return wasThere
    }
    guard wasThere else { return false }
    do {
      try DurableFile.synchronizeDirectory(place)
    } catch {
      throw .directory(error)
    }
    lock.withLock { _ = removed.insert(key) }
    changes.note(key)
    orders.note(key)
    return true
  }

  /// Asks for a run beside the trigger.
  func request(_ tag: String, of key: ObjectKey) throws(StateError) {
    if try update(key, { $0.requestedRun = tag }) { requests.note(key) }
  }

  /// Lets the next run pass the guards.
  func release(_ key: ObjectKey, tag: String) throws(StateError) {
    if try update(key, { $0.release = tag }) { requests.note(key) }
  }

  /// Whether an object's records are kept: those of one that is gone are not made anew.
  func keeps(_ key: ObjectKey) -> Bool {
    // A name that cannot be stored has no object.
    guard let files = try? ObjectFiles(key, registry) else { return false }
    return FileStamp(of: "\(path)/\(files.directory)/\(files.file)") != nil
  }

  /// Forgets what is known of an object that is gone.
  package func forget(_ key: ObjectKey) {
    lock.withLock {
      files[key] = nil
      own[key] = nil
      tails[key] = nil
    }
  }

  /// Changes what is kept of an object, on the disk when this returns; false when the object is
  /// gone.
  @discardableResult
  package func update(
    _ key: ObjectKey, _ change: (inout OwnRecord) -> Void
  ) throws(StateError) -> Bool {
    let files = try ObjectFiles(key, registry)
    // Reads the record when that has not been done; one whose object is damaged just now has one.
    if lock.withLock({ own[key] }) == nil { _ = try? object(key) }
    do throws(PlatformError) {
      let isThere = try stripe(of: key).withLock { () throws(PlatformError) -> Bool in
        guard var record = lock.withLock({ own[key] }) else { return false }
        let before = record
        change(&record)
        guard record != before else { return true }
        try store(record, files)
        lock.withLock { own[key] = record }
        return true
      }
      if isThere { changes.note(key) }
      return isThere
    } catch {
      throw .directory(error)
    }
  }

  private func store(_ record: OwnRecord, _ files: ObjectFiles) throws(PlatformError) {
    let text = Array(JSONValue.object(record.document).yamlText.utf8)
    try DurableFile.replace(
      files.status, in: "\(path)/\(files.directory)", with: text, mode: 0o600)
  }

  private func stripe(of key: ObjectKey) -> Lock {
    let hash = key.name.utf8.reduce(0) { ($0 &* 31 &+ Int($1)) & 0xffff }
    return stripes[hash % stripes.count]
  }

  // MARK: Events: the last ones are remembered, so that the same again is counted

  private static let tailCountMax = 16

  /// Notes an event; one that tells the same as a recent one is counted with it.
  package func add(_ event: EventRecord, of key: ObjectKey) throws(StateError) {
    let files = try ObjectFiles(key, registry)
    stripe(of: key).withLock {
      if keeps(key) { append(event, of: key, files) }
    }
  }

  /// Under the stripe's lock. An event that cannot be written is lost: nothing depends on it.
  private func append(_ event: EventRecord, of key: ObjectKey, _ files: ObjectFiles) {
    let file = eventFile(files)
    // Events that cannot be read are not counted on.
    let known = lock.withLock { tails[key] } ?? EventRecord.merged((try? file.records()) ?? [])
    var tail = known
    var event = event
    if let index = tail.lastIndex(where: { $0.tellsSame(as: event) }) {
      event.count += tail[index].count
      event.firstTime = tail[index].firstTime
      tail.remove(at: index)
    }
    tail = Array((tail + [event]).suffix(StateDirectory.tailCountMax))
    lock.withLock { tails[key] = tail }
    // As above.
    try? file.append(event.document, .sometime)
  }
}
