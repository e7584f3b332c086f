import CPlatform
import Glibc

/// The user and the groups that a child process runs as.
package struct ProcessUser: Sendable, Equatable {
  package var userID: UInt32
  package var groupID: UInt32
  package var supplementalGroupIDs: [UInt32]

  package init(userID: UInt32, groupID: UInt32, supplementalGroupIDs: [UInt32] = []) {
    self.userID = userID
    self.groupID = groupID
    self.supplementalGroupIDs = supplementalGroupIDs
  }

  /// The group of a user in the system's list; nil for a user that is not there. Calls
  /// `getpwuid_r`.
  package static func primaryGroup(of userID: UInt32) -> UInt32? {
    var entry = passwd()
    var found: UnsafeMutablePointer<passwd>?
    // Longer than any line of a list of users.
    var buffer = [CChar](repeating: 0, count: 64 << 10)
    guard getpwuid_r(userID, &entry, &buffer, buffer.count, &found) == 0, found != nil else {
      return nil
    }
    return entry.pw_gid
  }

  func spawn(
    _ executable: String, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>,
    _ environment: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>, _ descriptors: [Int32],
    held: Int32?
  ) throws(PlatformError) -> pid_t {
    // The user may not be able to reach it.
    let raw = retryingOnInterrupt { open(executable, FileSystem.openPath | O_CLOEXEC) }
    guard raw >= 0 else { throw .last("open", executable) }
    let file = Descriptor(owning: raw)
    return supplementalGroupIDs.withUnsafeBufferPointer { groups in
      var user = drover_user(
        executable: file.raw, held: held ?? -1, user: userID, group: groupID,
        group_count: groups.count,
        groups: groups.baseAddress)
      return drover_spawn_as(&user, arguments, environment, descriptors)
    }
  }
}
