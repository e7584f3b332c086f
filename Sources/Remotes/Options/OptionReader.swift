/// The value of an option and where it came from.
package struct OptionValue: Sendable {
  package let text: String
  package let origin: OptionOrigin
}

/// Looks options of one remote up in all places, the most particular first: the remote's own
/// options, the command line, `RCLONE_CONFIG_<NAME>_<OPTION>`, `RCLONE_<TYPE>_<OPTION>`,
/// `RCLONE_<OPTION>` where an option is known by that name, and the file.
///
/// An empty variable counts as set, and takes the option back to its default; an empty value in the
/// file does not count.
struct OptionReader {
  let configuration: RemoteConfiguration
  let address: RemoteAddress
  /// As it is looked up: the name of the section, or `:type`.
  let section: String
  /// Of the remote; empty while it is being found out.
  var type = ""

  init?(_ address: RemoteAddress, in configuration: RemoteConfiguration) {
    self.configuration = configuration
    self.address = address
    switch address.head {
    case .localPath: return nil
    case .named(let name): section = name
    case .ofType(let type): section = ":" + type
    }
  }

  /// For messages.
  var remote: String { section }

  /// - Throws: `.endlessInterpolation`.
  func find(
    _ option: String, hasShortName: Bool = false
  ) throws(RemoteError) -> OptionValue? {
    if let value = address.options[option] {
      return OptionValue(text: value, origin: .connection)
    }
    let names = type.isEmpty ? [] : ["\(type)_\(option)"] + (hasShortName ? [option] : [])
    for name in names {
      let flag = String(name.map { $0 == "_" ? "-" : $0 })
      if let value = configuration.flags[flag] {
        return OptionValue(text: value, origin: .flag(flag))
      }
    }
    let own = "RCLONE_CONFIG_\(section)_\(option)".uppercased()
    for variable in [own] + names.map({ "RCLONE_\($0)".uppercased() }) {
      if let value = configuration.environment[variable] {
        return OptionValue(text: value, origin: .variable(variable))
      }
    }
    guard let value = try configuration.file.value(of: option, in: section), !value.text.isEmpty
    else { return nil }
    return OptionValue(
      text: value.text, origin: .file(configuration.file.path, line: value.line))
  }

  /// Reads an option by `parse`, which gives nil for a text that is none; an empty text is the
  /// default.
  func read<T>(
    _ option: String, default standard: T, hasShortName: Bool = false, expected: String,
    _ parse: (String) -> T?
  ) throws(RemoteError) -> T {
    guard let found = try find(option, hasShortName: hasShortName), !found.text.isEmpty else {
      return standard
    }
    guard let value = parse(found.text) else {
      throw .badValue(remote: remote, option: option, found.origin, problem: expected)
    }
    return value
  }

  func text(_ option: String) throws(RemoteError) -> String { try find(option)?.text ?? "" }

  func secret(_ option: String) throws(RemoteError) -> SecretText? {
    let value = try text(option)
    return value.isEmpty ? nil : SecretText(value)
  }

  func truth(
    _ option: String, default standard: Bool = false, hasShortName: Bool = false
  ) throws(RemoteError) -> Bool {
    try read(
      option, default: standard, hasShortName: hasShortName, expected: "true or false is expected",
      GoNumber.truth)
  }

  func tristate(_ option: String) throws(RemoteError) -> Tristate {
    try read(
      option, default: .unset, expected: "true, false or unset is expected", Tristate.init)
  }

  func integer(
    _ option: String, default standard: Int, in range: ClosedRange<Int>
  ) throws(RemoteError) -> Int {
    let expected = "a number from \(range.lowerBound) to \(range.upperBound) is expected"
    return try read(option, default: standard, expected: expected) { text in
      GoNumber.integer(text).flatMap { range.contains($0) ? $0 : nil }
    }
  }

  /// A size in bytes; `off` is `Int64.max` where it is allowed.
  func size(
    _ option: String, default standard: Int64, in range: ClosedRange<Int64>
  ) throws(RemoteError) -> Int64 {
    let expected =
      "a size from \(range.lowerBound) to \(range.upperBound) bytes, such as 5M, is expected"
    return try read(option, default: standard, expected: expected) { text in
      guard let size = SizeSuffix(text) else { return nil }
      let count = size.byteCount ?? Int64.max
      return range.contains(count) ? count : nil
    }
  }
}
