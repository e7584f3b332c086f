import Glibc
import Manifests
import Platform
import Volumes

/// The command after a copy that has still to run, in the state directory: when the process is
/// killed before it, the next one runs it.
struct PendingHook {
  private static let prefix = "hook-"
  private static let sizeBytesMax = 2 << 20
  private static let entryCountMax = 1_000_000

  private let directory: String
  private let name: String

  init(directory: String, _ key: ObjectKey) {
    self.directory = directory
    name = PendingHook.prefix + key.lockName
  }

  /// On the disk when this returns.
  func note(_ command: UserCommand) throws(VolumeError) {
    var variables = JSONObject()
    for (name, value) in command.variables.sorted(by: { $0.key < $1.key }) {
      variables[name] = .string(value)
    }
    let document: JSONObject = [
      "name": .string(command.name), "command": .string(command.text),
      "timeoutSeconds": .double(command.timeoutSeconds), "variables": .object(variables),
    ]
    do throws(PlatformError) {
      try DurableFile.replace(
        name, in: directory, with: JSONValue.object(document).encoded(), mode: 0o600)
    } catch {
      throw .copy(directory, error)
    }
  }

  func clear() { unlink("\(directory)/\(name)") }

  /// Runs what killed processes had still to run. What fails is not run again: nobody knows what
  /// it has done.
  static func runAll(in directory: String) {
    let names = (try? DurableFile.names(in: directory, countMax: entryCountMax)) ?? []
    for name in names where name.hasPrefix(prefix) {
      let file = "\(directory)/\(name)"
      // One that cannot be read cannot be run.
      if let bytes = try? SmallFile.read(file, sizeBytesMax: sizeBytesMax),
        let command = command(of: bytes)
      {
        // Its failure concerns a run that is over.
        _ = try? command.run { false }
      }
      unlink(file)
    }
  }

  private static func command(of bytes: [UInt8]) -> UserCommand? {
    // What is no JSON names no command.
    guard let document = (try? JSONValue(parsing: bytes))?.objectValue,
      let name = document["name"]?.stringValue, let text = document["command"]?.stringValue,
      let seconds = document["timeoutSeconds"]?.doubleValue
    else { return nil }
    var variables: [String: String] = [:]
    for member in document["variables"]?.objectValue?.members ?? [] {
      variables[member.name] = member.value.stringValue
    }
    return UserCommand(name, text, timeoutSeconds: seconds, variables: variables)
  }
}
