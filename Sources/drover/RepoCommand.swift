import ArgumentParser

/// `drover repo`: backup repositories in restic's format.
struct RepoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "repo",
    abstract: "Back up into restic's repositories, and restore from them.",
    discussion: """
      Options, environment variables, JSON and exit codes are those of restic; the repositories \
      are restic's own.

      Exit codes: 0 done, 1 failed, 3 some files to back up could not be read, 10 no repository, \
      11 it is locked, 12 the password is wrong, 130 interrupted.

      Examples:
        export RESTIC_REPOSITORY=/srv/backup
        export RESTIC_PASSWORD_FILE=/etc/backup-password
        drover repo init
        drover repo backup /srv/data
        drover repo restore latest --target /mnt/restored
        drover repo forget --keep-daily 7 --keep-weekly 5 --prune
      """,
    subcommands: RepoCommand.served)

  private static let served: [any ParsableCommand.Type] = [
    RepoInitCommand.self, RepoBackupCommand.self, RepoRestoreCommand.self,
    RepoSnapshotsCommand.self, RepoLsCommand.self, RepoCatCommand.self, RepoForgetCommand.self,
    RepoPruneCommand.self, RepoCheckCommand.self, RepoUnlockCommand.self, RepoRepairCommand.self,
  ]
}
