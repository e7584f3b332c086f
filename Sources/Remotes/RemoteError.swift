package import Platform

/// Where the value of an option came from, for messages.
package enum OptionOrigin: Sendable, Equatable, CustomStringConvertible {
  /// Written in the remote itself, as in `name,option=value:path`.
  case connection
  /// A command-line option.
  case flag(String)
  /// A variable of the environment.
  case variable(String)
  /// A line of the configuration file; lines count from 1.
  case file(String, line: Int)

  package var description: String {
    switch self {
    case .connection: "the remote's own options"
    case .flag(let name): "--\(name)"
    case .variable(let name): name
    case .file(let file, let line): "\(file):\(line)"
    }
  }
}

/// Failures of reading remotes. No case holds a value of a configuration, which may be a secret.
package enum RemoteError: DroverError, Equatable {
  /// The configuration file could not be read.
  case unreadable(PlatformError)
  /// A line of the configuration file that rclone does not accept either.
  case badLine(file: String, line: Int, problem: String)
  /// The configuration is encrypted with a password.
  case encrypted(file: String, line: Int)
  /// `%(…)s` that leads back to itself, or grows without end.
  case endlessInterpolation(file: String, line: Int)
  /// A remote that does not keep to the syntax.
  case syntax(remote: String, problem: String)
  /// No section and no variable tells what the remote is.
  case unknownRemote(name: String, file: String?)
  /// A type of remote that is not served.
  case unservedType(remote: String, type: String, OptionOrigin?)
  /// Aliases that lead back to themselves.
  case aliasLoop(names: [String])
  case missingOption(remote: String, option: String)
  /// A value that is none for the option; `problem` says what is expected.
  case badValue(remote: String, option: String, OptionOrigin, problem: String)
  /// An obscured value that is none.
  case notObscured(problem: String)
  /// A failure of the cryptographic library.
  case cryptography(reason: String)

  package var kind: FailureKind {
    switch self {
    case .unreadable(let error): error.kind
    case .unknownRemote: .notFound
    case .encrypted, .unservedType: .unsupported
    case .cryptography: .internalFault
    default: .usage
    }
  }

  package var message: String {
    switch self {
    case .unreadable: "cannot read the rclone configuration"
    case .badLine(let file, let line, let problem): "\(file):\(line): \(problem)"
    case .encrypted(let file, let line): "\(file):\(line): the rclone configuration is encrypted"
    case .endlessInterpolation(let file, let line):
      "\(file):\(line): the value refers to itself through %(…)s"
    case .syntax(let remote, let problem): "remote \"\(remote)\": \(problem)"
    case .unknownRemote(let name, let file):
      "no remote \"\(name)\" in " + (file ?? "the environment, and there is no configuration file")
    case .unservedType(let remote, let type, let origin):
      (origin.map { "\($0): " } ?? "") + "remote \"\(remote)\" has the type \"\(type)\","
        + " which is not served; served are s3, local and alias"
    case .aliasLoop(let names): "aliases lead in a circle: \(names.joined(separator: " → "))"
    case .missingOption(let remote, let option): "remote \"\(remote)\" has no option \(option)"
    case .badValue(let remote, let option, let origin, let problem):
      "\(origin): option \(option) of remote \"\(remote)\": \(problem)"
    case .notObscured(let problem): "the value is not an obscured one: \(problem)"
    case .cryptography(let reason): "cannot reveal an obscured value: \(reason)"
    }
  }

  package var hint: String? {
    switch self {
    case .badLine: "A line is a comment, [name], or key = value."
    case .encrypted: "Remove the password (rclone config, set configuration password)."
    case .unknownRemote:
      "Name the file with RCLONE_CONFIG, or the remote by RCLONE_CONFIG_<NAME>_TYPE."
    case .notObscured: "Make it with rclone obscure."
    default: nil
    }
  }

  package var cause: (any DroverError)? {
    if case .unreadable(let error) = self { return error }
    return nil
  }
}
