import ArgumentParser

/// `drover mirror`: directories and buckets, each a copy of the other.
struct MirrorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mirror",
    abstract: "Mirror directories to object stores, and back.",
    discussion: """
      Options, environment variables, the configuration of remotes and exit codes are those of \
      rclone; objects and their metadata are rclone's own.

      Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the source is not there, 5 failed but may \
      succeed later, 6 failed and will again, 7 ended by a guard, 130 interrupted.

      Examples:
        drover mirror sync /srv/data remote:bucket/data
        drover mirror check /srv/data remote:bucket/data
        drover mirror copy remote:bucket/data /srv/restored
      """,
    subcommands: MirrorCommand.served)

  private static let served: [any ParsableCommand.Type] = [
    MirrorSyncCommand.self, MirrorCopyCommand.self, MirrorCheckCommand.self,
    MirrorLsCommand.self, MirrorLsJSONCommand.self, MirrorSizeCommand.self,
  ]
}
