/// Everything that says what a remote is: the configuration file, the environment, the options of
/// the command line. Answers from values alone; nothing is opened.
package struct RemoteConfiguration: Sendable {
  package let file: ConfigFile
  package let environment: [String: String]
  /// Options of the command line by their names without hyphens in front: `s3-chunk-size`.
  package let flags: [String: String]
  /// Where relative local paths begin; absolute.
  package let workingDirectory: String

  /// Longest chain of aliases; rclone has no limit.
  private static let aliasCountMax = 32

  package init(
    file: ConfigFile, environment: [String: String] = [:], flags: [String: String] = [:],
    workingDirectory: String
  ) {
    self.file = file
    self.environment = environment
    self.flags = flags
    self.workingDirectory = workingDirectory
  }

  /// The remote that a text names, aliases followed.
  ///
  /// - Throws: any case of ``RemoteError`` but those of reading a file.
  package func remote(_ text: String) throws(RemoteError) -> Remote {
    var text = text
    var followed: [String] = []
    while true {
      let address = try RemoteAddress(text)
      guard var reader = OptionReader(address, in: self) else {
        return .local(path: absolute(address.path), try localPathOptions())
      }
      let (type, origin) = try self.type(of: reader)
      switch type {
      case "local":
        reader.type = type
        return .local(path: absolute(address.path), try LocalRemoteOptions(reader))
      case "s3":
        reader.type = type
        let place = try BucketPath(address.path, of: reader.remote)
        return .s3(try S3RemoteOptions(reader), place)
      case "alias":
        reader.type = type
        if followed.contains(address.prefix) || followed.count == Self.aliasCountMax {
          throw .aliasLoop(names: names(followed + [address.prefix]))
        }
        followed.append(address.prefix)
        text = try target(of: reader)
      default: throw .unservedType(remote: reader.remote, type: type, origin)
      }
    }
  }

  /// The names of the sections and of the remotes that exist in the environment alone, these in
  /// lower case as rclone lists them; sorted.
  package var remoteNames: [String] {
    let names = environment.keys.compactMap { key -> String? in
      guard key.hasPrefix("RCLONE_CONFIG_"), key.hasSuffix("_TYPE"), key.utf8.count > 19 else {
        return nil
      }
      return key.dropFirst(14).dropLast(5).lowercased()
    }
    return Set(names + file.sectionNames).sorted()
  }

  private func type(
    of reader: OptionReader
  ) throws(RemoteError) -> (String, OptionOrigin?) {
    if case .ofType(let type) = reader.address.head { return (type, nil) }
    guard let found = try reader.find("type") else {
      throw .unknownRemote(name: reader.remote, file: file.path.isEmpty ? nil : file.path)
    }
    return (found.text, found.origin)
  }

  private func target(of reader: OptionReader) throws(RemoteError) -> String {
    let target = try reader.text("remote")
    guard !target.isEmpty else {
      throw .missingOption(remote: reader.remote, option: "remote")
    }
    return RemoteAddress.join(target, reader.address.path)
  }

  /// Without the options in the prefixes, which may be secrets.
  private func names(_ prefixes: [String]) -> [String] {
    prefixes.map { String($0.prefix { $0 != "," }) + ":" }
  }

  /// A path without a remote is one of the section `local`, in the file and the environment.
  private func localPathOptions() throws(RemoteError) -> LocalRemoteOptions {
    let address = try RemoteAddress("local:")
    guard var reader = OptionReader(address, in: self) else { return LocalRemoteOptions() }
    reader.type = "local"
    return try LocalRemoteOptions(reader)
  }

  private func absolute(_ path: String) -> String {
    path.hasPrefix("/") ? PathText.clean(path) : PathText.clean(workingDirectory + "/" + path)
  }
}

extension RemoteConfiguration: CustomStringConvertible, CustomReflectable {
  package var description: String { file.description }
  package var customMirror: Mirror { Mirror(self, children: []) }
}
