import Glibc
package import Manifests
import Platform

extension StateDirectory {
  func runFile(_ files: ObjectFiles) -> RecordFile {
    RecordFile(
      path: "\(path)/\(files.directory)/\(files.runs)",
      sizeBytesMax: StateLimits.runsSizeBytesMax)
  }

  func eventFile(_ files: ObjectFiles) -> RecordFile {
    RecordFile(
      path: "\(path)/\(files.directory)/\(files.events)",
      sizeBytesMax: StateLimits.eventsSizeBytesMax)
  }

  private func logFile(_ files: ObjectFiles) -> RecordFile {
    RecordFile(
      path: "\(path)/\(files.directory)/\(files.log)",
      sizeBytesMax: StateLimits.logSizeBytesMax)
  }

  private func reading<Value>(
    _ key: ObjectKey, _ body: (ObjectFiles) throws(PlatformError) -> Value
  ) throws(StateError) -> Value {
    let files = try ObjectFiles(key, registry)
    do {
      return try body(files)
    } catch {
      throw .directory(error)
    }
  }

  /// Keeps a run in the history, on the disk when this returns. Called by one thread for an object;
  /// of no effect when the object is gone.
  package func add(_ run: RunRecord, of key: ObjectKey) throws(StateError) {
    guard keeps(key) else { return }
    try reading(key) { files throws(PlatformError) in
      try runFile(files).append(run.document, .atOnce)
    }
  }

  /// The runs of an object, oldest first; the newest `countMax`.
  package func runs(
    of key: ObjectKey, countMax: Int = StateLimits.runCountMax
  ) throws(StateError) -> [RunRecord] {
    try reading(key) { files throws(PlatformError) in
      let runs = try runFile(files).records().compactMap(RunRecord.init)
      return runs.suffix(max(0, min(countMax, StateLimits.runCountMax)))
    }
  }

  /// The events of an object, oldest first.
  package func events(of key: ObjectKey) throws(StateError) -> [EventRecord] {
    try reading(key) { files throws(PlatformError) in
      EventRecord.merged(try eventFile(files).records()).suffix(StateLimits.eventCountMax)
    }
  }

  /// Adds whole lines to an object's log. Called by one thread for an object; of no effect when the
  /// object is gone.
  package func append(log text: [UInt8], of key: ObjectKey) throws(StateError) {
    guard keeps(key) else { return }
    try reading(key) { files throws(PlatformError) in
      try logFile(files).append(text.suffix(StateLimits.recordSizeBytesMax), .sometime)
    }
  }

  /// The end of an object's log, from the start of a line.
  package func log(of key: ObjectKey, sizeBytesMax: Int) throws(StateError) -> [UInt8] {
    try reading(key) { files throws(PlatformError) in
      let text = try logFile(files).text()
      guard text.count > sizeBytesMax else { return text }
      let tail = text.suffix(max(0, sizeBytesMax))
      return Array(tail.firstIndex(of: 0x0a).map { tail[($0 + 1)...] } ?? [])
    }
  }

  // MARK: The tree

  /// A directory of objects of one kind.
  struct Place {
    let type: any Manifest.Type
    let namespace: String?
    /// Below the root.
    let directory: String
  }

  /// The directories of objects that are there.
  func places() throws(PlatformError) -> [Place] {
    var places: [Place] = []
    for top in try names(in: "") {
      let isCluster = top == ObjectFiles.clusterDirectory
      guard isCluster || ObjectName.problem(inNamespace: top) == nil, isDirectory(top) else {
        continue
      }
      for kind in try names(in: top) where isDirectory("\(top)/\(kind)") {
        let type = registry.all.first { $0.lowerCaseKind == kind }
        guard let type, type.isNamespaced != isCluster else { continue }
        places.append(
          Place(
            type: type, namespace: isCluster ? nil : top, directory: "\(top)/\(kind)"))
      }
    }
    return places
  }

  /// The names in a directory below the root; none when it is gone.
  func names(in directory: String) throws(PlatformError) -> [String] {
    do throws(PlatformError) {
      return try DurableFile.names(
        in: "\(path)/\(directory)", countMax: StateLimits.directoryEntryCountMax)
    } catch {
      if error.errno == ENOENT, !directory.isEmpty { return [] }
      throw error
    }
  }

  private func isDirectory(_ name: String) -> Bool {
    var information = stat()
    return lstat("\(path)/\(name)", &information) == 0
      && information.st_mode & S_IFMT == S_IFDIR
  }

  /// Removes files that were under way when a process was killed, and what was kept of objects
  /// that are gone.
  func removeLeftovers() throws(PlatformError) {
    // Of an exchange that was not written down yet, and of what runs keep beside their locks.
    for place in [".", StateDirectory.workName] {
      for name in try names(in: place) where name.hasPrefix(DurableFile.temporaryPrefix) {
        unlink("\(path)/\(place)/\(name)")
      }
    }
    for place in try places() {
      let names = try names(in: place.directory)
      let objects = Set(names.compactMap(ObjectFiles.objectName))
      for name in names {
        let isLeft =
          name.hasPrefix(DurableFile.temporaryPrefix)
          || StateDirectory.owner(of: name).map { !objects.contains($0) } ?? false
        if isLeft { unlink("\(path)/\(place.directory)/\(name)") }
      }
    }
  }

  /// The object that one of Drover's own files belongs to; nil for any other file.
  private static func owner(of name: String) -> String? {
    let records = [ObjectFiles.runsSuffix, ObjectFiles.eventsSuffix, ObjectFiles.logSuffix]
    let suffixes =
      [ObjectFiles.statusSuffix, ObjectFiles.damagedSuffix, ObjectFiles.relationSuffix] + records
      + records.map { $0 + ObjectFiles.olderSuffix }
    return suffixes.first(where: name.hasSuffix).map { String(name.dropLast($0.count)) }
  }
}
