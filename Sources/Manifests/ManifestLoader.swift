import Glibc
import Platform

/// Reads manifests from files, directories and standard input.
package struct ManifestLoader {
  private let registry: KindRegistry
  private let namespace: String
  private let unknownFields: UnknownFields

  /// `namespace` is that of objects which name none.
  package init(
    registry: KindRegistry = .standard, namespace: String = "default",
    unknownFields: UnknownFields = .refuse
  ) {
    self.registry = registry
    self.namespace = namespace
    self.unknownFields = unknownFields
  }

  /// Reads everything and decodes it; all that is wrong in all files is thrown at once.
  ///
  /// A path is a file, `-` for standard input, or a directory, of which the files `*.yaml`,
  /// `*.yml` and `*.json` are taken in the order of their names.
  /// - Throws: ``ManifestError``.
  package func load(_ paths: [String]) throws(ManifestError) -> ManifestSet {
    try decode(try read(paths))
  }

  /// The texts of the files that the paths stand for.
  package func read(
    _ paths: [String]
  ) throws(ManifestError) -> [(name: String, text: [UInt8])] {
    var files: [(name: String, text: [UInt8])] = []
    for path in paths {
      for file in try ManifestLoader.files(at: path) {
        do {
          let text = try SmallFile.read(file, sizeBytesMax: ManifestLimits.fileSizeBytesMax)
          files.append((file == "-" ? "<stdin>" : file, text))
        } catch {
          guard error.errno != EFBIG else { throw .invalid([.tooLarge(file)]) }
          throw .unreadable(error)
        }
      }
    }
    return files
  }

  /// Decodes texts that have been read already.
  package func decode(_ files: [(name: String, text: [UInt8])]) throws(ManifestError) -> ManifestSet
  {
    let problems = ProblemList(unknownFields: unknownFields)
    var set = collect(files, problems)
    // All that is wrong is told at once, so names are looked up even now.
    if !problems.problems.isEmpty { ReferenceCheck(set, problems: problems).checkAll() }
    try problems.throwIfAny()
    set.warnings = ProblemList.sorted(problems.warnings)
    return set
  }

  /// Decodes what can be decoded, and tells what is wrong with the rest.
  package func decodeEach(
    _ files: [(name: String, text: [UInt8])]
  ) -> (set: ManifestSet, problems: [Problem]) {
    let problems = ProblemList(unknownFields: unknownFields)
    let set = collect(files, problems)
    return (set, problems.sorted)
  }

  private func collect(
    _ files: [(name: String, text: [UInt8])], _ problems: ProblemList
  ) -> ManifestSet {
    let decoder = ObjectDecoder(registry: registry, namespace: namespace, problems: problems)
    var set = ManifestSet()
    for file in files {
      let documents: [YAMLNode]
      do {
        documents = try parseYAML(file.text, file: file.name)
      } catch {
        problems.add(contentsOf: error)
        continue
      }
      for decoded in documents.flatMap(decoder.decode) {
        switch decoded {
        case .broken(let key): set.insertBroken(key)
        case .object(let object):
          guard let first = set.insert(object) else { continue }
          problems.add(
            Problem(
              object.mark, object: "\(object.key.kind)/\(object.key.name)",
              "the object stands twice, first in \(first.mark.file):\(first.mark.line)"))
        }
      }
    }
    return set
  }

  private static func files(at path: String) throws(ManifestError) -> [String] {
    guard path != "-" else { return [path] }
    guard let directory = opendir(path) else {
      if errno == ENOTDIR { return [path] }
      throw .unreadable(.last("opendir", path))
    }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      // The record is as long as its name: it is not copied at the length of its type.
      let nameOffset = MemoryLayout<dirent>.offset(of: \dirent.d_name) ?? 0
      let name = String(
        cString: UnsafeRawPointer(entry).advanced(by: nameOffset)
          .assumingMemoryBound(to: CChar.self))
      guard [".yaml", ".yml", ".json"].contains(where: name.hasSuffix), !name.hasPrefix(".") else {
        continue
      }
      guard names.count < ManifestLimits.directoryFileCountMax else {
        throw .unreadable(PlatformError("readdir", path, errno: E2BIG))
      }
      names.append(name)
    }
    return names.sorted().map { path.hasSuffix("/") ? path + $0 : "\(path)/\($0)" }
  }
}
