import ObjectStorage
import Platform
import Remotes

/// Decides what becomes of a pair, and finds out what it takes: the cheapest facts first. Any
/// thread may ask.
struct PairJudge: Sendable {
  let source: MirrorSide
  let destination: MirrorSide
  let options: ComparisonOptions
  let usesServerTimes: Bool
  let share: SourceShare
  let lane: Int

  /// A decision, and the source's time when it had to be found out.
  typealias Verdict = (decision: TransferDecision, sourceTime: WallTime?)

  func judge(_ item: NumberedEntry, _ second: MirrorEntry?) throws(MirrorError) -> Verdict {
    let first = item.entry
    var sourceFacts = facts(first, source)
    var destinationFacts = second.map { facts($0, destination) }
    while true {
      let decision = needsTransfer(
        source: sourceFacts, destination: destinationFacts, options: options)
      guard case .ask(let questions) = decision else {
        return (decision, sourceFacts.modified.value)
      }
      guard let second, var others = destinationFacts else {
        preconditionFailure("nothing is asked of a file that stands alone")
      }
      if questions.contains(.destinationTime) || questions.contains(.destinationMD5) {
        try answerDestination(questions, item, &sourceFacts, second, &others)
        destinationFacts = others
      } else if questions.contains(.sourceTime) || questions.contains(.sourceMD5) {
        try answerSource(item, &sourceFacts)
      }
    }
  }

  private func facts(_ entry: MirrorEntry, _ side: MirrorSide) -> FileFacts {
    var facts = FileFacts(sizeBytes: entry.sizeBytes)
    switch side {
    case .local:
      facts.modified = Known(entry.modified)
    case .store(let store):
      if usesServerTimes { facts.modified = Known(entry.modified) }
      if let md5 = store.md5(ofETag: entry.etag).flatMap(ContentMD5.init) {
        facts.md5 = .value(md5)
      }
    }
    return facts
  }

  /// An object in parts has no MD5 in its listing. When the parts are those that would be made
  /// now, reading the local file tells whether it is the same; else the object is asked.
  private func answerDestination(
    _ questions: Set<TransferDecision.Question>, _ item: NumberedEntry,
    _ sourceFacts: inout FileFacts, _ second: MirrorEntry, _ others: inout FileFacts
  ) throws(MirrorError) {
    if questions == [.destinationMD5], sourceFacts.md5 == .unasked,
      case .local = source, case .store(let store) = destination, item.entry.kind == .file,
      let count = StoreSide.partCount(ofETag: second.etag),
      let plan = S3PartPlan(
        sizeBytes: item.entry.sizeBytes, wanted: store.options.transfer.partSizeBytes),
      plan.partCount == count
    {
      let digests = try share.digests(item, lane: lane, partSizeBytes: plan.partSizeBytes)
      sourceFacts.md5 = Known(ContentMD5(digests.md5))
      if digests.multipartETag == second.etag {
        others.md5 = sourceFacts.md5
        return
      }
    }
    try answer(second, destination, &others)
  }

  /// Files are read once for all destinations that ask.
  private func answerSource(_ item: NumberedEntry, _ facts: inout FileFacts) throws(MirrorError) {
    if case .local = source, item.entry.kind == .file {
      facts.md5 = Known(ContentMD5(try share.digests(item, lane: lane).md5))
    } else {
      try answer(item.entry, source, &facts)
    }
  }

  private func answer(
    _ entry: MirrorEntry, _ side: MirrorSide, _ facts: inout FileFacts
  ) throws(MirrorError) {
    switch side {
    case .local(let local):
      let md5 = try local.digest(entry)
      facts.md5 = Known(ContentMD5(md5))
    case .store(let store):
      let key = try store.key(of: entry)
      let head = try store.calling { (client) throws(S3Error) in
        try client.headObject(store.bucket, key)
      }
      let told = store.facts(head)
      if facts.modified == .unasked {
        facts.modified = Known(told.modified)
      }
      facts.md5 = Known(told.md5.flatMap(ContentMD5.init))
    }
  }
}

extension Known {
  /// What was asked for, or that there is none.
  fileprivate init(_ found: Value?) {
    if let found { self = .value(found) } else { self = .absent }
  }
}
