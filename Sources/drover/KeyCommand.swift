import ArgumentParser
import Platform
import Transport

/// `drover key`: pre-shared keys.
struct KeyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "key", abstract: "Make pre-shared keys.", subcommands: [Generate.self])

  /// `drover key generate`: a line for the key files of both sides.
  struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "generate",
      abstract: "Print a new key line, <identity>:<hex>, of 64 random bytes.",
      discussion: """
        The line goes into the key file of both sides; stunnel reads the same format. To change \
        keys without a gap, append the new line to the receivers' files first, then put it first \
        in the senders'.

        Example:
          (umask 077; drover key generate --identity nas7 > psk.txt)
        """)

    @Option(help: "The name by which both sides know the key; it travels in clear text.")
    var identity = "volsync"

    func run() throws {
      StartedProcess.hideFromDumps()
      Console.standard.print(try PreSharedKey.generateKeyLine(identity: identity))
      Console.standard.flush()
    }
  }
}
