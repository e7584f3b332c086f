import Glibc
import Platform

/// The installed rsync, which does the work for peers that speak its protocol.
struct RsyncProgram: Sendable {
  let path: String
  /// Nothing of our own environment but where programs are: `RSYNC_…`, `SSH_…` and the language
  /// would change what rsync does and prints.
  let environment: [String]

  /// Looks for it in `PATH`.
  ///
  /// - Throws: ``ReplicationError/rsyncMissing``.
  static func find() throws(ReplicationError) -> RsyncProgram {
    let standard = "PATH=/usr/local/bin:/usr/bin:/bin"
    let variable = StartedProcess.environment(keeping: ["PATH"]).first ?? standard
    for directory in variable.dropFirst("PATH=".count).split(separator: ":") {
      let path = "\(directory)/rsync"
      if directory.hasPrefix("/"), access(path, X_OK) == 0 {
        return RsyncProgram(path: path, environment: [variable, "LC_ALL=C"])
      }
    }
    throw .rsyncMissing
  }
}

/// What rsync's exit codes mean. Source: rsync(1), EXIT VALUES.
struct RsyncExit {
  let code: Int32

  init(_ code: Int32) { self.code = code }

  static let partialTransfer: Int32 = 23
  static let vanishedFiles: Int32 = 24
  static let deletionsLeft: Int32 = 25

  /// Whether everything was done: a file that has vanished from the source is missing rightly.
  var isDone: Bool { code == 0 || code == RsyncExit.vanishedFiles }

  /// Whether the run came to its end, but for some entries.
  var isPartial: Bool { [RsyncExit.partialTransfer, RsyncExit.deletionsLeft].contains(code) }

  var kind: FailureKind {
    switch code {
    // Start of the client, sockets, data stream, status inquiry, time-outs: the way or the peer.
    case 5, 10, 12, 14, 30, 35: .unreachable
    case 20: .cancelled
    case RsyncExit.partialTransfer, RsyncExit.vanishedFiles, RsyncExit.deletionsLeft: .partial
    case 4, 2: .unsupported
    default: .failed
    }
  }

  var meaning: String {
    switch code {
    case 1: "usage"
    case 2: "protocol incompatibility"
    case 3: "files or directories could not be selected"
    case 4: "requested action not supported"
    case 5: "the other side's rsync refused to start"
    case 10: "socket"
    case 11: "file reading or writing"
    case 12: "the connection broke"
    case 13: "diagnostics"
    case 14: "its processes lost each other"
    case 20: "interrupted"
    case 22: "out of memory"
    case 23: "some entries could not be transferred"
    case 24: "some files vanished before they could be transferred"
    case 25: "the limit of deletions was reached"
    case 30, 35: "timed out"
    default: code > 128 ? "killed by signal \(code - 128)" : "unknown"
    }
  }

  var hint: String? {
    switch code {
    case 5: "Look at the log of the other side's mover: its rsync says there why."
    case 11: "Look at free space and at the file system of both sides."
    case 12: "The other side died or the network broke; run again to go on."
    default: nil
    }
  }
}

extension StartedProcess.Ending {
  /// As a shell gives it.
  var code: Int32 {
    switch self {
    case .exited(let code): code
    case .killed(let signal): 128 + signal
    }
  }
}
