import Glibc
import Platform

/// Where the state directory stands when no option names it.
package enum StatePath {
  package static let variable = "DROVER_STATE"
  package static let systemPath = "/var/lib/drover"

  /// `DROVER_STATE`; ``systemPath`` for root; else `drover/objects` in `XDG_STATE_HOME`, beside
  /// what `drover mirror` keeps there, or in `~/.local/state`. A relative path is one of the
  /// working directory. Nil when there is no home either.
  package static func standard(
    option: String?, environment: [String: String], isRoot: Bool, workingDirectory: String
  ) -> String? {
    if let named = option ?? environment[variable], !named.isEmpty {
      let path = named.hasPrefix("/") ? named : "\(workingDirectory)/\(named)"
      return path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }
    if isRoot { return systemPath }
    if let state = environment["XDG_STATE_HOME"], state.hasPrefix("/") {
      return "\(state)/drover/objects"
    }
    guard let home = environment["HOME"], home.hasPrefix("/") else { return nil }
    return "\(home)/.local/state/drover/objects"
  }

  /// The same for this process.
  package static func standard(option: String?) -> String? {
    var environment: [String: String] = [:]
    for entry in StartedProcess.environment {
      let name = entry.prefix { $0 != "=" }
      environment[String(name)] = String(entry.dropFirst(name.count + 1))
    }
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let directory = getcwd(&buffer, buffer.count).map { String(cString: $0) } ?? "/"
    return standard(
      option: option, environment: environment, isRoot: geteuid() == 0,
      workingDirectory: directory)
  }
}
