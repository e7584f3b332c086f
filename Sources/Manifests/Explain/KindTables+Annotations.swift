extension KindTables {
  /// What each annotation of Drover's own says, and on which kinds.
  package struct AnnotationText: Sendable {
    package var kinds: [String]
    package var text: String
    package var treatment: Treatment = .honoured
  }

  private static let both = [ReplicationSource.kind, ReplicationDestination.kind]
  private static let source = [ReplicationSource.kind]
  private static let destination = [ReplicationDestination.kind]

  package static let annotations: [Annotation: AnnotationText] = [
    .listen: AnnotationText(
      kinds: destination,
      text: "address:port where a destination of rsyncTLS listens; port 0 takes a "
        + "free one, and in a daemon several share one, each with a key of its own"),
    .allowEmptySource: AnnotationText(
      kinds: both, text: "\"true\": a volume without files counts, and empties its copy"),
    .waitForSchedule: AnnotationText(
      kinds: both, text: "\"true\": the first run waits for the schedule, too"),
    .jitter: AnnotationText(
      kinds: both,
      text: "a duration up to 24h: runs come up to this much later, each object by its "
        + "own share"),
    .timeZone: AnnotationText(
      kinds: both, text: "the zone of a schedule without CRON_TZ=, such as Europe/Berlin"),
    .destinations: AnnotationText(
      kinds: source, text: "with rclone: further remotes, SECTION:BUCKET/PATH, one a line"),
    .imageRetain: AnnotationText(
      kinds: destination,
      text: "with copyMethod Snapshot: how many replica images are kept; 1"),
    .hookBefore: AnnotationText(
      kinds: both,
      text:
        "a command for /bin/sh before the copy or image is made, or, with Direct, before the run"
    ),
    .hookAfter: AnnotationText(
      kinds: both,
      text: "a command after that, whatever has become of it, also of the command before"),
    .hookTimeout: AnnotationText(
      kinds: both, text: "how long each of the two may take, from 1s to 24h; 1m"),
    .hookOnError: AnnotationText(
      kinds: both,
      text: "Fail or Continue: whether a command that fails is the failure of the run; Fail"),
    .guardLevel: AnnotationText(
      kinds: both,
      text: "on, off, or how much may go at once before a run is ended: lost-files=80%,"
        + " lost-bytes=99%, deletions=off; see drover release"),
  ]

  static func annotationText(of type: any Manifest.Type) -> String {
    var lines = ["Notes to programs."]
    for annotation in Annotation.allCases {
      guard let entry = annotations[annotation], entry.kinds.contains(type.kind) else { continue }
      let state = entry.treatment == .honoured ? "" : " (\(entry.treatment.sentence))"
      lines.append("\(annotation.name): \(entry.text)\(state).")
    }
    if type.kind == Namespace.kind {
      lines.append(
        "\(Namespace.privilegedMovers): \"true\" lets movers run as Drover's own user, whatever "
          + "their moverSecurityContext says.")
    }
    if type.kind == StorageClass.kind || type.kind == VolumeSnapshotClass.kind {
      let name =
        type.kind == StorageClass.kind
        ? StorageClass.defaultAnnotation : VolumeSnapshotClass.defaultAnnotation
      lines.append("\(name): \"true\" makes it the class of those that name none.")
    }
    if type.kind == PersistentVolumeClaim.kind {
      lines.append(
        "\(CopyTriggerAnnotation.use.name): a copy of the volume waits until "
          + "\(CopyTriggerAnnotation.trigger.name) gets another value; "
          + "\(CopyTriggerAnnotation.latestStatus.name) says WaitingForTrigger, InProgress or "
          + "Completed.")
    }
    return lines.joined(separator: "\n")
  }
}
