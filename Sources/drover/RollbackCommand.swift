import ArgumentParser
import Platform
import Replication

/// `drover replicate rollback`: back to the last committed state.
struct RollbackCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rollback",
    abstract: "Put back what an interrupted in-place run has overwritten.",
    discussion: """
      A run with --inplace, and every run to a block device or raw image, saves what it overwrites \
      in an undo journal until it is committed. After an interruption the next run completes it; \
      or this command puts the destination back to its last committed state. Without a journal it \
      changes nothing.

      Examples:
        drover replicate rollback /srv/copy
        drover replicate rollback /dev/vg0/copy
      """)

  @Option(
    help: ArgumentHelp(
      "Where the undo journal of a volume stands, if receive was told.", valueName: "directory"))
  var undoDir: String?

  @Argument(help: "The destination: a directory, block device or raw image.")
  var root: String

  func run() throws {
    let count = try RollBack(root: root, undoDirectory: undoDir) { path, pieces in
      Console.standard.print("\(printable(path)): \(Shown.count(Int64(pieces))) pieces put back")
    }.run()
    if count == 0 { Console.standard.print("nothing to put back") }
    Console.standard.flush()
  }
}
