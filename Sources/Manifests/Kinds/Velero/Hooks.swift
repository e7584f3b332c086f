/// What becomes of a run whose hook has failed.
package enum HookErrorMode: String, Sendable, CaseIterable {
  case continuing = "Continue"
  case fail = "Fail"
}

/// A command in a container.
package struct HookCommand: Sendable {
  package static let timeoutNanosecondsDefault: Int64 = 30_000_000_000

  /// The first container when nil.
  package var container: String?
  package var command: [String]
  package var onError: HookErrorMode
  package var timeoutNanoseconds: Int64
  /// Restore only: how long the container may take to be there; nil for no limit.
  package var waitTimeoutNanoseconds: Int64?

  /// `timeout` is the name of the field with the limit of the command.
  init(_ fields: FieldReader, timeout: String, onErrorDefault: HookErrorMode) {
    container = fields.string("container")
    command = fields.strings("command")
    if command.isEmpty, fields.texts("command").isEmpty, !fields.isText("command") {
      fields.report("command", "must name a program: a list such as [/bin/sync]")
    }
    onError = fields.choice("onError") ?? onErrorDefault
    timeoutNanoseconds = fields.duration(timeout) ?? HookCommand.timeoutNanosecondsDefault
  }
}

/// One entry of a Backup's `hooks.resources`.
package struct BackupHook: Sendable {
  package var name: String
  package var selection: ResourceSelection
  package var before: [HookCommand]
  package var after: [HookCommand]

  init(_ fields: FieldReader) {
    name = fields.requiredString("name") ?? ""
    selection = ResourceSelection(fields, selectorsOf: nil)
    before = BackupHook.commands(fields, "pre")
    after = BackupHook.commands(fields, "post")
    if before.isEmpty, after.isEmpty, !fields.has("pre"), !fields.has("post") {
      fields.report(fields.node.mark, fields.path, "has neither pre nor post: nothing would run")
    }
    fields.finish()
  }

  private static func commands(_ fields: FieldReader, _ name: String) -> [HookCommand] {
    fields.objects(name).compactMap { hook in
      defer { hook.finish() }
      guard let exec = hook.object("exec") else {
        hook.report("exec", "is required")
        return nil
      }
      defer { exec.finish() }
      return HookCommand(exec, timeout: "timeout", onErrorDefault: .fail)
    }
  }

  /// The hooks of a field `hooks`.
  static func all(_ spec: FieldReader) -> [BackupHook] {
    guard let hooks = spec.object("hooks") else { return [] }
    defer { hooks.finish() }
    return hooks.objects("resources").map(BackupHook.init)
  }
}

/// One entry of a Restore's `hooks.resources`.
package struct RestoreHook: Sendable {
  package enum Action: Sendable {
    /// Containers before those of the application; their spec is that of Kubernetes.
    case containers(count: Int, timeoutNanoseconds: Int64?)
    case command(HookCommand)
  }

  package var name: String
  package var selection: ResourceSelection
  package var actions: [Action]

  init(_ fields: FieldReader) {
    name = fields.requiredString("name") ?? ""
    selection = ResourceSelection(fields, selectorsOf: nil)
    actions = fields.objects("postHooks").compactMap(RestoreHook.action)
    if !fields.has("postHooks") { fields.report("postHooks", "is required") }
    fields.finish()
  }

  private static func action(_ fields: FieldReader) -> Action? {
    defer { fields.finish() }
    var actions: [Action] = []
    if let exec = fields.object("exec") {
      var command = HookCommand(exec, timeout: "execTimeout", onErrorDefault: .continuing)
      command.waitTimeoutNanoseconds = exec.duration("waitTimeout")
      _ = exec.bool("waitForReady")
      exec.finish()
      actions.append(.command(command))
    }
    if let start = fields.object("init") {
      let count = containerCount(start)
      actions.append(.containers(count: count, timeoutNanoseconds: start.duration("timeout")))
      start.finish()
    }
    if actions.count != 1 {
      fields.report(
        fields.node.mark, fields.path, "must have one of exec and init, not \(actions.count)")
    }
    return actions.first
  }

  private static func containerCount(_ fields: FieldReader) -> Int {
    // The rest of a container is Kubernetes' own.
    let containers = fields.objects("initContainers")
    for container in containers {
      _ = container.requiredString("name")
      _ = container.string("image")
      _ = container.strings("command")
    }
    if containers.isEmpty { fields.report("initContainers", "must name at least one container") }
    return containers.count
  }

  static func all(_ spec: FieldReader) -> [RestoreHook] {
    guard let hooks = spec.object("hooks") else { return [] }
    defer { hooks.finish() }
    return hooks.objects("resources").map(RestoreHook.init)
  }
}
