import Glibc
import Platform

/// stunnel 5.68 in the foreground, in one of the roles that VolSync's rsync-TLS mover has it in.
package final class StockTunnel: Sendable {
  package let port: UInt16
  private let process: ChildProcess

  /// The source's: plain connections to ``port`` go to a TLS server (volsync.md 7.1).
  package init(
    toPort target: UInt16, keyFile: String, in directory: TemporaryDirectory
  ) throws {
    port = try freePort()
    process = try StockTunnel.start(
      [
        "client = yes", "accept = 127.0.0.1:\(port)", "connect = 127.0.0.1:\(target)",
        "ciphers = PSK",
      ],
      keyFile, directory, "client-\(port)")
  }

  /// The destination's: each TLS connection starts one `rsync --server --daemon`.
  package init(
    servingWith settings: String, keyFile: String, in directory: TemporaryDirectory
  ) throws {
    port = try freePort()
    process = try StockTunnel.start(
      [
        "accept = 127.0.0.1:\(port)", "ciphers = kPSK", "sslVersionMin = TLSv1.3",
        "exec = /usr/bin/rsync", "execArgs = rsync --server --daemon --config=\(settings) .",
      ],
      keyFile, directory, "server-\(port)")
  }

  deinit { stop() }

  package func stop() { process.kill(SIGKILL) }

  private static func start(
    _ service: [String], _ keyFile: String, _ directory: TemporaryDirectory, _ name: String
  ) throws -> ChildProcess {
    let file = directory.path("\(name).conf")
    let lines =
      [
        "foreground = yes", "debug = info", "syslog = no", "socket = l:SO_KEEPALIVE=1",
        "socket = r:SO_KEEPALIVE=1", "socket = r:TCP_KEEPIDLE=180", "pid =",
        "[rsync]", "PSKsecrets = \(keyFile)",
      ] + service
    try ByteFiles.write(Array(file.utf8), Array((lines.joined(separator: "\n") + "\n").utf8))
    let process = try startLastingChild("stunnel", [file])
    let deadline = MonotonicTime.now().advanced(bySeconds: 60)
    // It says so once the port is bound.
    while !process.errorOutput.text.contains("bound to") {
      guard process.isRunning, MonotonicTime.now() < deadline else {
        throw TestFailure("stunnel does not listen: \(process.errorOutput.text)")
      }
      usleep(10_000)
    }
    return process
  }
}

/// VolSync's rsync-TLS source: both passes and the control files, with its options to the letter
/// (volsync.md 7.3), once: its retries are a loop around this.
package struct StockSource {
  package var root: String
  package var tunnel: StockTunnel
  package var directory: TemporaryDirectory

  package init(root: String, tunnel: StockTunnel, directory: TemporaryDirectory) {
    self.root = root
    self.tunnel = tunnel
    self.directory = directory
  }

  package struct Outcome {
    package var transferStatus: Int32
    package var deletionStatus: Int32
    package var controlStatus: Int32
    package var text: String

    package var isDone: Bool { transferStatus == 0 && deletionStatus == 0 && controlStatus == 0 }
  }

  package func url(_ path: String) -> String { "rsync://127.0.0.1:\(tunnel.port)/\(path)" }

  /// One run. `afterTransfer` is called between the passes.
  package func run(afterTransfer: () throws -> Void = {}) throws -> Outcome {
    var outcome = Outcome(transferStatus: 0, deletionStatus: 0, controlStatus: 0, text: "")
    let list = directory.path("filelist-\(tunnel.port)")
    let names = try runChecked(
      "find", [root, "-mindepth", "1", "-maxdepth", "1", "-printf", "/%P\n"])
    try ByteFiles.write(Array(list.utf8), names.output)
    var links: [UInt8] = []
    if !names.output.isEmpty {
      let result = try runProcess(
        "rsync",
        [
          "-aAhHSxz", "-r", "--exclude=lost+found", "--itemize-changes", "--info=stats2,misc2",
          "--files-from=\(list)", "\(root)/", url("data"),
        ], environment: ["LC_ALL": "C.UTF-8"])
      outcome.transferStatus = result.status
      outcome.text += result.errorText
      for line in result.output.split(separator: 0x0a) where line.starts(with: "cL".utf8) {
        let name = line.dropFirst(12)
        let text = String(decoding: name, as: UTF8.self)
        links += Array((text.components(before: " -> ") + "\n").utf8)
      }
    }
    try afterTransfer()
    let deletion = try runProcess(
      "rsync",
      [
        "-rx", "--exclude=lost+found", "--ignore-existing", "--ignore-non-existing", "--delete",
        "--itemize-changes", "--info=stats2,misc2", "\(root)/", url("data"),
      ])
    outcome.deletionStatus = deletion.status
    outcome.text += deletion.errorText
    guard outcome.transferStatus == 0, outcome.deletionStatus == 0 else { return outcome }
    if !links.isEmpty {
      outcome.controlStatus = try upload(links, as: "symlink-munging-file").status
    }
    let complete = try upload(Array("done\n".utf8), as: "complete")
    outcome.controlStatus = max(outcome.controlStatus, complete.status)
    outcome.text += complete.errorText
    return outcome
  }

  /// Sends one control file.
  package func upload(_ content: [UInt8], as name: String) throws -> ProcessResult {
    let file = directory.path("upload-\(tunnel.port)")
    try ByteFiles.write(Array(file.utf8), content)
    return try runProcess("rsync", [file, url("control/\(name)")])
  }
}

extension String {
  fileprivate func components(before separator: String) -> String {
    var rest = self[...]
    while !rest.isEmpty, !rest.hasPrefix(separator) { rest = rest.dropFirst() }
    return String(prefix(count - rest.count))
  }
}

/// VolSync's rsync-TLS destination (volsync.md 7.2).
package struct StockDestination {
  package let root: String
  package let tunnel: StockTunnel
  private let control: String

  package init(root: String, keyFile: String, in directory: TemporaryDirectory) throws {
    self.root = root
    control = try directory.makeDirectory("control")
    let settings = directory.path("stock.conf")
    let lines = [
      "use chroot = no", "numeric ids = yes", "munge symlinks = yes", "open noatime = yes",
      "read only = no", "max verbosity = 10", "transfer logging = yes",
      "log file = \(directory.path("stock.log"))", "uid = 0", "gid = *",
      "[data]", "path = \(root)", "[control]", "path = \(control)",
    ]
    try ByteFiles.write(Array(settings.utf8), Array((lines.joined(separator: "\n") + "\n").utf8))
    tunnel = try StockTunnel(servingWith: settings, keyFile: keyFile, in: directory)
  }

  package var isComplete: Bool { access("\(control)/complete", F_OK) == 0 }

  /// What the destination's script does once `complete` has come: links that are listed lose the
  /// prefix. The control files are removed, so that the next run can be told from this one.
  package func finish() throws {
    guard isComplete else { throw TestFailure("the destination was not completed") }
    try runChecked(
      "bash",
      [
        "-euc",
        """
        cd "$1"
        [ -s "$2/symlink-munging-file" ] || exit 0
        while IFS= read -r link; do
          target=$(readlink -- "$link"; printf x); target=${target%$'\\n'x}
          case $target in
            /rsyncd-munged/*) ;;
            *) echo "not munged: $link" >&2; exit 1 ;;
          esac
          owner=$(stat -c %u:%g -- "$link")
          ln -snf -- "${target#/rsyncd-munged/}" "./$link"
          chown -h "$owner" -- "./$link"
        done < "$2/symlink-munging-file"
        """, "finish", root, control,
      ])
    try ByteFiles.remove(Array("\(control)/complete".utf8))
    let links = Array("\(control)/symlink-munging-file".utf8)
    if access("\(control)/symlink-munging-file", F_OK) == 0 { try ByteFiles.remove(links) }
  }
}

extension RsyncJudge {
  /// What differs of that which a stock peer can carry: no extended attributes, nothing of the root
  /// itself. A stock source leaves directories with the times of its deletions; the script of a
  /// stock destination makes links anew, each for itself and with a time of its own.
  package static func stockDifferences(
    source: String, destination: String, ignoringDirectoryTimes: Bool = false,
    ignoringLinkTimes: Bool = false
  ) throws -> String {
    let options = [
      "-aAHSn", "--delete", "--itemize-changes", "--checksum", "--exclude=/lost+found",
    ]
    let result = try runChecked(
      "rsync",
      options + (ignoringLinkTimes ? ["--omit-link-times"] : [])
        + (ignoringLinkTimes || ignoringDirectoryTimes ? ["--omit-dir-times"] : [])
        + ["\(source)/", "\(destination)/"], environment: ["LC_ALL": "C"])
    let lines = result.output.split(separator: 0x0a).map { Platform.printable($0) }
    return lines.filter {
      !$0.hasSuffix(" ./") && !(ignoringLinkTimes && $0.hasPrefix("hL..t"))
    }.joined(separator: "\n")
  }
}
