import Manifests
import Platform
import StateStore
import Volumes

/// The copy-trigger protocol: an application says when its volume may be copied (VolSync reference
/// 5.3).
extension VolumeKeeper {
  /// What came of waiting for the trigger.
  enum TriggerWait {
    /// The volume may be copied; also when nobody asks for a trigger.
    case given
    /// It takes longer than VolSync waits before it says so; told once, and waited for on.
    case late(String)
    case ending
  }

  /// VolSync reference 4.6.
  private static let lateSeconds: Int64 = 600

  /// Waits for the trigger before a copy is made. `current` gives the volume as its spec and claim
  /// say it now; `pause` waits a little, false when all shall end.
  func waitForTrigger(
    current: () -> EndVolume?, pause: () -> Bool
  ) -> TriggerWait {
    while let trigger = current()?.copyTrigger, !hasCopy,
      !trigger.isGiven(after: lastTrigger)
    {
      let since = beginWaiting(for: trigger)
      if time().seconds - since.seconds > VolumeKeeper.lateSeconds, noteLate() {
        let message =
          "Timed out waiting for copy-trigger to be modified for pvc \(trigger.claim.name)"
        event(.warning, "SrcPVCTimeoutWaitingForCopyTrigger", message)
        return .late(message)
      }
      guard pause() else { return .ending }
    }
    return .given
  }

  private func beginWaiting(for trigger: EndVolume.CopyTrigger) -> WallTime {
    if let waiting { return waiting.since }
    let now = time()
    waiting = (now, false)
    annotate(
      trigger.claim,
      [.latestStatus: "WaitingForTrigger", .waitingSince: now.rfc3339])
    event(
      .normal, "SrcPVCWaitingForCopyTrigger",
      "waiting for another value of \(CopyTriggerAnnotation.trigger.name) on "
        + "PersistentVolumeClaim/\(trigger.claim.name)")
    return now
  }

  /// False when it was told before.
  private func noteLate() -> Bool {
    guard let waiting, !waiting.isTold else { return false }
    self.waiting?.isTold = true
    return true
  }

  /// Before a copy of a volume whose application gives a trigger.
  func beginTriggered(_ volume: EndVolume) throws(VolumeError) {
    guard let trigger = volume.copyTrigger else { return }
    guard trigger.isGiven(after: lastTrigger) else { throw .copyTrigger(claim: trigger.claim) }
    waiting = nil
    annotate(trigger.claim, [.latestStatus: "InProgress", .waitingSince: nil])
    event(
      .normal, "SrcPVCCopyTriggerReceived",
      "copy-trigger \(trigger.value) received from PersistentVolumeClaim/\(trigger.claim.name)")
  }

  /// After the copy was made.
  func endTriggered(_ volume: EndVolume) {
    guard let trigger = volume.copyTrigger else { return }
    lastTrigger = trigger.value
    annotate(trigger.claim, [.latestTrigger: trigger.value, .latestStatus: "Completed"])
    event(
      .normal, "SrcPVCCopyUsingCopyTriggerCompleted",
      "copy of PersistentVolumeClaim/\(trigger.claim.name) completed with copy-trigger "
        + trigger.value)
  }

  private func annotate(
    _ claim: ObjectKey, _ annotations: [CopyTriggerAnnotation: String?]
  ) {
    store.annotate(
      claim, Dictionary(uniqueKeysWithValues: annotations.map { ($0.key.name, $0.value) }))
  }
}
