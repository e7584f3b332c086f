import FileTree
import Glibc
import Pipelines
import Platform

/// What follows when all parts of a file have come, whichever thread finds that out.
final class FileCompletion: Sendable {
  let state: ReceiverState
  let pending: PendingFiles

  init(state: ReceiverState, pending: PendingFiles) {
    self.state = state
    self.pending = pending
  }

  /// Carries out a step of a rebuild by telling the sender.
  func perform(
    _ step: FileRebuild.NextStep, _ file: PendingFile, _ builder: RecordBuilder
  ) throws {
    switch step {
    case .wait: return
    case .resend(let segment): try ask(.resend, file, segment, builder)
    case .askWhole:
      file.rebuild?.replace()
      try ask(.resend, file, SegmentLayout.wholeFile, builder)
    case .finish:
      try builder.append(.finish, size: 4) { $0.put(file.request) }
    }
  }

  private func ask(
    _ type: FrameType, _ file: PendingFile, _ segment: UInt32, _ builder: RecordBuilder
  ) throws {
    try builder.append(type, size: 8) { writer in
      writer.put(file.request)
      writer.put(segment)
    }
  }

  /// Closes a request.
  func drop(_ file: PendingFile) {
    pending.remove(file)
  }

  /// The entry with what the sender's end says of it. A file that changed while it was read keeps
  /// the listing's time, so that the next run looks at it again.
  func finalEntry(_ file: PendingFile, _ end: FileEnd, tell builder: RecordBuilder) -> Entry {
    var entry = file.entry
    if end.outcome == .changed {
      warnOfChange(file, tell: builder)
      if entry.modifiedSeconds == end.modifiedSeconds,
        entry.modifiedNanoseconds == end.modifiedNanoseconds
      {
        entry.modifiedSeconds -= 1
      }
    } else {
      entry.modifiedSeconds = end.modifiedSeconds
      entry.modifiedNanoseconds = end.modifiedNanoseconds
    }
    return entry
  }

  func warnOfChange(_ file: PendingFile, tell builder: RecordBuilder) {
    state.warn(file.path, "changed while it was read", tell: builder)
  }

  func done(_ file: PendingFile, tell builder: RecordBuilder) throws {
    try state.item(file.change, file.path, tell: builder)
    state.fileDone()
    drop(file)
  }
}
