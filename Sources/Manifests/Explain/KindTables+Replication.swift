extension KindTables {
  static let replicationSource = kind(
    ReplicationSource.self,
    "The sending end of a replication: which volume is read, when, and by which mover. It has "
      + "exactly one of the sections rsyncTLS, restic, rclone, rsync, syncthing and external.",
    status: replicationStatus,
    [
      .required(
        "spec", .object, "What is asked for.",
        [
          .required(
            "sourcePVC", .string, .improved("an absolute path of this host is accepted, too"),
            "The claim of the volume to read, of the same namespace."),
          trigger, paused,
          Field(
            "rsyncTLS", .object,
            .improved(
              "Drover's own protocol within TLS 1.3: extended attributes, one pass, a proof at the "
                + "end; the peer is Drover"),
            "To a peer, through TLS with a pre-shared key.", rsyncTLS(of: .source)),
          Field(
            "restic", .object,
            .improved(
              "VolSync's snapshots in VolSync's repositories; an empty volume is refused"),
            "Into a repository of restic's format.", restic(of: .source)),
          Field(
            "rclone", .object,
            .improved(
              "VolSync's layout; links, empty directories and times are kept; an empty source is "
                + "refused"), "Into an object store, as a mirror.",
            rclone(of: .source)),
          Field(
            "rsync", .object, .notServed("use rsyncTLS"), "To a peer, through ssh.",
            rsync(of: .source)),
          Field(
            "syncthing", .object, .notServed("use rsyncTLS or rclone"),
            "Among several peers, all the time.", syncthing),
          external,
        ])
    ])

  static let replicationDestination = kind(
    ReplicationDestination.self,
    "The receiving end of a replication: which volume is filled, by which mover, and what is kept "
      + "after a run. It has exactly one of the sections rsyncTLS, restic, rclone, rsync and "
      + "external.",
    status: replicationStatus + destinationStatus,
    [
      .required(
        "spec", .object, "What is asked for.",
        [
          trigger, paused,
          Field(
            "rsyncTLS", .object,
            .improved(
              "Drover's own protocol within TLS 1.3: extended attributes, one pass, a proof at the "
                + "end; the peer is Drover"),
            "From a peer, through TLS with a pre-shared key.", rsyncTLS(of: .destination)),
          Field(
            "restic", .object,
            .improved(
              "a restore that finds nothing fails, and no repository is made"),
            "From a repository of restic's format.", restic(of: .destination)),
          Field(
            "rclone", .object,
            .improved(
              "an empty remote does not empty the volume; links and times come back"
            ),
            "From an object store.", rclone(of: .destination)),
          Field(
            "rsync", .object, .notServed("use rsyncTLS"), "From a peer, through ssh.",
            rsync(of: .destination)),
          external,
        ])
    ])

  private static let trigger = Field(
    "trigger", .object, "When it runs; without it, again as soon as a run has ended.",
    [
      Field(
        "schedule", .string,
        .improved(
          "what is wrong is told before the first run; CRON_TZ= and the annotation time-zone name "
            + "a zone, and the clock's changes lose no run"),
        "Five cron fields (minute, hour, day of month, month, day of week), or a nickname such as "
          + "@daily."),
      Field(
        "manual", .string,
        .improved(
          "a run that was given up is not repeated until the tag is another one"),
        "A tag: another one than status.lastManualSync starts one run. It wins over the schedule."),
    ])

  private static let paused = Field(
    "paused", .boolean, .improved("a run under way is finished, and no copy is taken"),
    "Whether new runs wait.")

  private static let external = Field(
    "external", .object, .withoutEffect("another program's work: no status is written"),
    "A replication by another program.",
    [
      Field("provider", .string, .withoutEffect(), "Which program."),
      Field("parameters", .stringMap, .withoutEffect(), "What it is told."),
    ])

  private static let replicationStatus: [Field] = [
    Field(
      "conditions", .objects, "Synchronizing, with VolSync's reasons and messages.",
      [
        Field("type", .string, "Synchronizing."),
        Field("status", .word(["True", "False"]), "Whether a run is under way."),
        Field(
          "reason",
          .word([
            "SyncInProgress", "WaitingForSchedule", "WaitingForManual", "CleaningUp", "Error",
          ]), "In one word."),
        Field("message", .string, "In a sentence."),
        Field("lastTransitionTime", .time, "Since when."),
      ]),
    Field("lastManualSync", .string, "The tag of the last run by hand that counted."),
    Field("lastSyncDuration", .duration, "How long the last run that counted took."),
    Field("lastSyncStartTime", .time, "When the run under way began; absent when none is."),
    Field("lastSyncTime", .time, "When the last run that counted ended."),
    Field(
      "latestMoverStatus", .object, "How the mover ended last.",
      [
        Field("logs", .string, "The last lines of what it said, at most 1024 bytes."),
        Field("result", .word(["Successful", "Failed"]), "How it ended."),
      ]),
    Field("nextSyncTime", .time, "When the schedule is due next."),
    Field(
      "drover", .object, .improved("VolSync does not count failures, nor tell of copies"),
      "Runs that were given up since the last one that counted, and the last copy.",
      [
        Field(
          "copy", .object, "The last copy that was read, or image that was kept.",
          [
            Field(
              "method", .word(CopyParameters.Method.allCases.map(\.rawValue)), "How it was made."),
            Field(
              "consistency", .word(CopyConsistency.allCases.map(\.rawValue)),
              "How far it is of one moment."),
            Field("time", .time, "When."),
            Field("duration", .duration, "How long that took, without commands around it."),
            Field("note", .string, "What stands against that."),
          ]),
        Field("failedRuns", .integer, "How many runs."),
        Field("lastFailureTime", .time, "When the last of them ended."),
        Field("failedManualTag", .string, "The tag that started it."),
        Field("retryTime", .time, "When a replication without trigger goes on."),
      ]),
    Field(
      "rsyncTLS", .object, .improved("VolSync has keySecret, address and port alone"),
      "Of the mover rsyncTLS.",
      [
        Field("keySecret", .string, "The Secret that was made."),
        Field("address", .string, "Where a destination listens."),
        Field("port", .integer, "The port of it."),
        Field("waitingFor", .string, "Why a destination does not receive a source just now."),
        Field("generation", .integer, "Grows with each drover promote; 1 is not shown."),
        Field("promoted", .string, "That a destination was promoted, and its volume handed out."),
        Field("fenced", .string, "Why a source sends no more: its destination was promoted."),
      ]),
    Field("restic", .object, "Of the mover restic: lastPruned, lastUnlocked."),
    Field(
      "rclone", .object, .improved("VolSync has none"),
      "Of the mover rclone: what became of each remote."),
  ]

  private static let destinationStatus: [Field] = [
    Field(
      "latestImage", .object, "What the last run that counted has left.",
      [
        Field("apiGroup", .string, "The group of the kind."),
        Field("kind", .string, "VolumeSnapshot, or PersistentVolumeClaim for Direct."),
        Field("name", .string, "The name of the object."),
      ])
  ]
}
