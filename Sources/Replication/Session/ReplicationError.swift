package import FileTree
package import Platform
package import Transport

/// Failures of a replication session.
package enum ReplicationError: DroverError {
  /// The peer sent what the protocol does not allow.
  case violation(String)
  /// The peer speaks another version.
  case version(theirs: UInt32)
  /// The peer closed the connection before it said anything.
  case peerLeft
  /// The peer ended the connection in the middle of a session, without a word.
  case peerGone(phase: String)
  /// The peer ended the session and said why.
  case peer(FailureKind, message: String)
  /// The peer does not receive just now and asks to be tried again.
  case notReady(seconds: Int, reason: String)
  /// The peer has a later generation: what is here is no source any more.
  case fenced(generation: UInt64, text: String)
  /// Nothing but heartbeats came for the time allowed.
  case stalled(seconds: Double)
  case emptySource(root: String)
  /// The source has lost too much since the last run.
  case shrunkenSource(SourceLoss)
  /// Too much of the destination would be deleted; entries.
  case massDeletion(planned: Int64, total: Int64)
  case root(path: String, reason: String)
  case tree(TreeError)
  case file(PlatformError, path: [UInt8])
  /// The receiver confirmed another tree than the sender described.
  case digestMismatch
  case unproven(path: [UInt8])
  case undoDamaged(path: String, reason: String)
  /// The peer speaks rsync's protocol; ``StockSender`` serves it.
  case rsyncPeer
  /// The connection broke before the peer had said anything.
  case unanswered(TransportError)
  /// The peer needs rsync on this side, which is not installed.
  case rsyncMissing
  /// rsync cannot serve this root: a volume, or a path that its settings cannot hold.
  case rsyncRoot(path: String, reason: String)
  /// rsync has ended with an error, here or at the other side.
  case rsyncFailed(code: Int32, messages: [String])

  package var kind: FailureKind {
    switch self {
    case .violation, .digestMismatch, .unproven, .undoDamaged: .corrupt
    case .version: .unsupported
    case .peerGone, .stalled: .unreachable
    case .peerLeft: .failed
    case .peer(let kind, _): kind
    case .notReady: .unreachable
    case .emptySource, .shrunkenSource, .massDeletion, .fenced: .refused
    case .root: .failed
    case .tree(let error): error.kind == .unreachable ? .failed : error.kind
    case .file: .failed
    case .unanswered(let error): error.kind
    case .rsyncPeer, .rsyncMissing, .rsyncRoot: .unsupported
    case .rsyncFailed(let code, _): RsyncExit(code).kind
    }
  }

  package var message: String {
    switch self {
    case .violation(let what): "the peer broke the protocol: \(what)"
    case .version(let theirs):
      "the peer speaks version \(theirs) of the protocol, this side \(WireLimits.version)"
    case .peerLeft: "the peer closed the connection before the session began"
    case .peerGone(let phase): "the other side ended the connection \(phase)"
    case .stalled(let seconds):
      "the session has not got on for \(Int(seconds)) s, though the peer is alive"
    case .notReady(let seconds, let reason):
      "the destination is not ready: \(reason); it may be tried again in \(seconds) s"
    case .fenced(_, let text): "this source is fenced: \(text)"
    case .peer(_, let message): "the other side: \(message)"
    case .shrunkenSource(let loss):
      "\(GuardName.shrunkenSource.prefix)\(loss.text): nothing was deleted"
    case .massDeletion(let planned, let total):
      "\(GuardName.massDeletion.prefix)\(planned) of \(total) entries of the destination would be"
        + " deleted: none was"
    case .emptySource(let root):
      "\(GuardName.emptySource.prefix)\(root) is empty, the destination is not: nothing was changed"
    case .root(let path, let reason): "\(path): \(reason)"
    case .tree(let error): error.message
    case .file(let error, let path):
      "\(printable(path)): \(PlatformError.reason(of: error.errno)) (\(error.call))"
    case .digestMismatch: "the receiver confirmed another content than the one that was sent"
    case .unproven(let path): "\(printable(path)): what was rebuilt is not what the sender has"
    case .undoDamaged(let path, let reason): "\(path): damaged undo journal: \(reason)"
    case .unanswered(let error): error.message
    case .rsyncPeer: "the other side speaks rsync's protocol, not Drover's"
    case .rsyncMissing:
      "the other side is a stock mover that speaks rsync's protocol, and there is no rsync here"
    case .rsyncRoot(let path, let reason): "\(path): cannot be served to a stock mover: \(reason)"
    case .rsyncFailed(let code, let messages):
      (["rsync ended with code \(code) (\(RsyncExit(code).meaning))"] + messages)
        .joined(separator: ": ")
    }
  }

  package var cause: (any DroverError)? {
    if case .unanswered(let error) = self { error.cause } else { nil }
  }

  package var guardName: GuardName? {
    switch self {
    case .emptySource: .emptySource
    case .shrunkenSource: .shrunkenSource
    case .massDeletion: .massDeletion
    case .peer(.refused, let message): GuardName.named(in: message)
    default: nil
    }
  }

  package var hint: String? {
    switch self {
    case .shrunkenSource, .massDeletion: SourceLoss.hint
    case .emptySource: "If the source is meant to be empty, say --allow-empty-source."
    case .stalled: "Look at the other side: its disk or its file system may be stuck."
    case .unanswered(let error): error.hint
    case .rsyncMissing: "Install rsync on this machine, or run drover on the other side."
    case .rsyncFailed(let code, _): RsyncExit(code).hint
    case .version: "Run the same version of drover on both sides."
    case .tree(let error): error.hint
    case .file(let error, _): error.hint
    default: nil
    }
  }
}
