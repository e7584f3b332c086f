/// Who uses a repository, and whether alone.
///
/// JSON without a newline at its end: `time`, `exclusive`, `hostname`, `username`, `pid`, and `uid`
/// and `gid` unless they are zero. Drover appends a member of its own that restic passes over,
/// `"drover":{"boot":…,"pidns":…,"start":…,"run":…}`: what tells a dead holder from a live one.
/// Source: the restic repository format, "locks".
package struct LockRecord: Equatable, Sendable {
  /// Largest record: names of host and user are short.
  package static let sizeBytesMax = 64 << 10
  /// From this age on nobody has to respect a lock, seconds.
  package static let staleAfterSeconds: Int64 = 30 * 60
  /// How often a running program writes its lock anew, seconds.
  package static let refreshAfterSeconds: Int64 = 5 * 60

  package var time: GoTime
  package var isExclusive: Bool
  package var hostname: String
  package var username: String
  package var processID: UInt32
  package var userID: UInt32 = 0
  package var groupID: UInt32 = 0
  /// nil for the locks of other programs.
  package var proof: LockProof?

  package init(
    time: GoTime, isExclusive: Bool, hostname: String, username: String, processID: UInt32
  ) {
    self.time = time
    self.isExclusive = isExclusive
    self.hostname = hostname
    self.username = username
    self.processID = processID
  }

  /// Reads an opened record without its framing.
  /// - Throws: `RepositoryError.corrupt`.
  package init(decoding json: some Collection<UInt8>) throws(RepositoryError) {
    let reader = try RecordReader(json, part: .lock, sizeBytesMax: LockRecord.sizeBytesMax)
    guard let time = try reader.time("time") else { throw reader.missing("time") }
    self.init(
      time: time, isExclusive: try reader.bool("exclusive") ?? false,
      hostname: try reader.string("hostname") ?? "",
      username: try reader.string("username") ?? "", processID: try reader.number32("pid") ?? 0)
    userID = try reader.number32("uid") ?? 0
    groupID = try reader.number32("gid") ?? 0
    if let proof = try reader.record("drover") {
      self.proof = LockProof(
        bootID: try proof.string("boot") ?? "", pidNamespace: try proof.number("pidns") ?? 0,
        startTicks: try proof.number("start") ?? 0, run: try proof.string("run") ?? "")
    }
  }

  /// The JSON to frame, seal and store.
  package func encoded() -> [UInt8] {
    var writer = RecordWriter()
    writer.field("time", time)
    writer.field("exclusive", isExclusive)
    writer.field("hostname", hostname)
    writer.field("username", username)
    writer.field("pid", UInt64(processID))
    writer.field("uid", ifNotZero: userID)
    writer.field("gid", ifNotZero: groupID)
    if let proof {
      writer.key("drover")
      var inner = RecordWriter()
      inner.field("boot", proof.bootID)
      inner.field("pidns", proof.pidNamespace)
      inner.field("start", proof.startTicks)
      inner.field("run", proof.run)
      writer.json.raw(inner.finish())
    }
    return writer.finish()
  }
}
