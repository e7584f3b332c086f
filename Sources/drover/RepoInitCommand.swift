import ArgumentParser
import BackupRepository
import Platform

/// `drover repo init`: a new repository.
struct RepoInitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init",
    abstract: "Make a new repository.",
    discussion: """
      Nothing is made where a repository is already. Without the password the data cannot be read \
      by anybody: keep it well.

      Examples:
        drover repo init --repo /srv/backup
        drover repo -r /srv/backup -p password.txt init --repository-version 1
      """)

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("1, 2, latest or stable; 1 does not compress.", valueName: "version"))
  var repositoryVersion = "stable"

  @OptionGroup(title: "All commands") var options: RepoOptions

  func validate() throws {
    _ = try version
  }

  private var version: RepositoryVersion {
    get throws {
      switch repositoryVersion {
      case "1": return .v1
      case "2", "stable", "latest", "": return .v2
      default:
        throw ValidationError(
          "'\(repositoryVersion)' is no version of the format: 1, 2, latest or stable")
      }
    }
  }

  func run() throws {
    try RepoRun.end(options) { run in
      var creation = Repository.Creation()
      creation.version = try version
      creation.hostname = RepoEnvironment.hostname
      creation.username = RepoEnvironment.username
      let repository = try run.create(creation).repository
      if run.output.isJSON {
        run.output.emit([
          "message_type": .string("initialized"), "id": .string(repository.config.id.hex),
          "repository": .string(repository.place),
        ])
      } else {
        let name = repository.config.id.hex.prefix(10)
        run.output.say("created restic repository \(name) at \(repository.place)")
        run.output.say("")
        run.output.say("Please note that knowledge of your password is required to access")
        run.output.say("the repository. Losing your password means that your data is")
        run.output.say("irrecoverably lost.")
      }
      return .done
    }
  }
}
