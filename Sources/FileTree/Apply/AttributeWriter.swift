import Glibc
import Platform

/// Sets owner, mode, attributes and time of entries, in the order that Linux needs: a change of
/// owner drops setuid bits and capabilities, a mode rewrites the mask of an ACL.
///
/// What cannot be applied for lack of privilege is given to `onProblem` and does not stop the run.
/// Confined to one thread.
package final class AttributeWriter {
  private let isPrivileged: Bool
  private let onProblem: (_ path: [UInt8], _ message: String) -> Void
  private let names = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 8)
  /// Entries whose owner could not be set; told once, at the end of the run.
  package private(set) var ownerProblemCount: Int64 = 0

  /// Without privilege write access is taken first where attributes need it, and only `user.` and
  /// ACLs are removed.
  package init(
    isPrivileged: Bool = geteuid() == 0,
    onProblem: @escaping (_ path: [UInt8], _ message: String) -> Void
  ) {
    self.isPrivileged = isPrivileged
    self.onProblem = onProblem
  }

  deinit { names.deallocate() }

  /// What a call works on: an open file, or a name that is not followed.
  private enum Subject {
    case descriptor(Int32)
    case name(directory: Int32, UnsafePointer<CChar>, procPath: UnsafePointer<CChar>)
  }

  /// Sets all attributes of an open regular file, usually one that was just made. True when it had
  /// them already, but for the time.
  @discardableResult
  package func apply(
    _ entry: Entry, in listing: DirectoryListing, to descriptor: Int32, path: () -> [UInt8]
  ) -> Bool {
    var status = stat()
    // A new one often has the right owner already; a directory with setgid gives it its own group.
    let isKnown = fstat(descriptor, &status) == 0
    if !isKnown || status.st_uid != entry.userID || status.st_gid != entry.groupID {
      setOwner(entry, .descriptor(descriptor), path)
    } else if status.st_mode & 0o7777 == mode_t(entry.mode), hasNoAttributes(descriptor),
      listing.bytes(entry.attributes).isEmpty
    {
      // Made with the right mode, and nothing inherited.
      setTime(entry, descriptor, path)
      return true
    }
    setModeAndAttributes(entry, in: listing, .descriptor(descriptor), path)
    setTime(entry, descriptor, path)
    return false
  }

  private func hasNoAttributes(_ descriptor: Int32) -> Bool {
    let count = ExtendedAttributes.list(descriptor, into: names)
    return count == 0 || (count < 0 && (errno == EOPNOTSUPP || errno == ENOSYS))
  }

  package func setTime(_ entry: Entry, _ descriptor: Int32, _ path: () -> [UInt8]) {
    let code = FileIO.setTime(
      descriptor, seconds: entry.modifiedSeconds, nanoseconds: entry.modifiedNanoseconds)
    if code != 0 { problem("futimens", path) }
  }

  /// Sets all attributes of an entry of any kind by its name.
  package func apply(
    _ entry: Entry, in listing: DirectoryListing, directory: Int32, name: UnsafePointer<CChar>,
    path: () -> [UInt8]
  ) {
    var procPath = Array("/proc/self/fd/\(directory)/".utf8CString.dropLast())
    procPath.append(contentsOf: UnsafeBufferPointer(start: name, count: strlen(name) + 1))
    procPath.withUnsafeBufferPointer { buffer in
      guard let full = buffer.baseAddress else { return }
      let subject = Subject.name(directory: directory, name, procPath: full)
      setOwner(entry, subject, path)
      setModeAndAttributes(entry, in: listing, subject, path)
    }
    setTime(entry, directory: directory, name: name, path: path)
  }

  package func setTime(
    _ entry: Entry, directory: Int32, name: UnsafePointer<CChar>, path: () -> [UInt8]
  ) {
    let code = FileIO.setTime(
      directory, name, seconds: entry.modifiedSeconds, nanoseconds: entry.modifiedNanoseconds)
    if code != 0 { problem("utimensat", path) }
  }

  private func problem(_ call: StaticString, _ path: () -> [UInt8]) {
    let error = PlatformError.last(call)
    onProblem(path(), "\(PlatformError.reason(of: error.errno)) (\(call))")
  }

  private func setOwner(_ entry: Entry, _ subject: Subject, _ path: () -> [UInt8]) {
    let code: Int32
    switch subject {
    case .descriptor(let descriptor): code = fchown(descriptor, entry.userID, entry.groupID)
    case .name(let directory, let name, _):
      code = fchownat(directory, name, entry.userID, entry.groupID, AT_SYMLINK_NOFOLLOW)
    }
    if code == 0 { return }
    guard errno == EPERM else { return problem("fchownat", path) }
    ownerProblemCount += 1
    // Of groups, those that the user is a member of can be set.
    switch subject {
    case .descriptor(let descriptor): _ = fchown(descriptor, uid_t.max, entry.groupID)
    case .name(let directory, let name, _):
      _ = fchownat(directory, name, uid_t.max, entry.groupID, AT_SYMLINK_NOFOLLOW)
    }
  }

  /// The mode comes after the attributes that need write access, and before the ACL, which it
  /// changes.
  private func setModeAndAttributes(
    _ entry: Entry, in listing: DirectoryListing, _ subject: Subject, _ path: () -> [UInt8]
  ) {
    let wanted = listing.bytes(entry.attributes)
    let hasMode = entry.kind != .symbolicLink
    // Only root may set attributes of what its owner may not write. A failure shows again below.
    if !isPrivileged, hasMode { _ = changeMode(entry.mode | 0o600, subject) }
    removeAttributes(except: wanted, subject, path)
    setAttributes(wanted, lists: false, subject, path)
    if hasMode, let call = changeMode(entry.mode, subject) { problem(call, path) }
    setAttributes(wanted, lists: true, subject, path)
  }

  /// Gives the call that failed. `fchmodat` follows links, so a name is pinned by an O_PATH
  /// descriptor.
  private func changeMode(_ mode: UInt16, _ subject: Subject) -> StaticString? {
    switch subject {
    case .descriptor(let descriptor): return fchmod(descriptor, mode_t(mode)) == 0 ? nil : "fchmod"
    case .name(let directory, let name, _):
      let flags = FileSystem.openPath | O_NOFOLLOW | O_CLOEXEC
      let raw = retryingOnInterrupt { openat(directory, name, flags) }
      guard raw >= 0 else { return "openat" }
      defer { close(raw) }
      return chmod("/proc/self/fd/\(raw)", mode_t(mode)) == 0 ? nil : "chmod"
    }
  }

  /// Sets the attributes of a block, either its ACLs or all others.
  private func setAttributes(
    _ wanted: UnsafeRawBufferPointer, lists: Bool, _ subject: Subject, _ path: () -> [UInt8]
  ) {
    var reader = ByteReader(wanted)
    while reader.remaining > 0 {
      // The block was validated when it was read.
      guard let (name, value) = try? AttributeBlock.next(&reader) else { return }
      if AttributeBlock.isList(name) != lists { continue }
      let code = withCString(name) { name in
        switch subject {
        case .descriptor(let descriptor): ExtendedAttributes.set(descriptor, name, value)
        case .name(_, _, let full): ExtendedAttributes.set(full, name, value)
        }
      }
      if code != 0 {
        let error = PlatformError.last("setxattr")
        onProblem(
          path(), "attribute \(printable(name)): \(PlatformError.reason(of: error.errno))")
      }
    }
  }

  private func removeAttributes(
    except wanted: UnsafeRawBufferPointer, _ subject: Subject, _ path: () -> [UInt8]
  ) {
    let count =
      switch subject {
      case .descriptor(let descriptor): ExtendedAttributes.list(descriptor, into: names)
      case .name(_, _, let full): ExtendedAttributes.list(full, into: names)
      }
    if count < 0, errno != EOPNOTSUPP, errno != ENOSYS { return problem("listxattr", path) }
    guard count > 0 else { return }
    var start = 0
    for index in 0..<count where names[index] == 0 {
      let name = UnsafeRawBufferPointer(rebasing: names[start..<index])
      start = index + 1
      guard AttributeBlock.isReplicated(name, privileged: isPrivileged),
        !AttributeBlock.contains(wanted, name), !isLabel(name)
      else { continue }
      let code = withCString(name) { name in
        switch subject {
        case .descriptor(let descriptor): ExtendedAttributes.remove(descriptor, name)
        case .name(_, _, let full): ExtendedAttributes.remove(full, name)
        }
      }
      if code != 0, errno != ENODATA { problem("removexattr", path) }
    }
  }

  /// A SELinux label belongs to the destination's policy when the source has none.
  private func isLabel(_ name: UnsafeRawBufferPointer) -> Bool {
    name.elementsEqual("security.selinux".utf8)
  }

  private func withCString<R>(
    _ bytes: UnsafeRawBufferPointer, _ body: (UnsafePointer<CChar>) -> R
  ) -> R {
    withUnsafeTemporaryAllocation(byteCount: bytes.count + 1, alignment: 1) { buffer in
      buffer.copyMemory(from: bytes)
      buffer[bytes.count] = 0
      return body(
        UnsafeRawPointer(buffer.baseAddress.unsafelyUnwrapped).assumingMemoryBound(to: CChar.self))
    }
  }
}

extension AttributeBlock {
  /// Whether a validated block holds this name.
  static func contains(_ block: UnsafeRawBufferPointer, _ name: UnsafeRawBufferPointer) -> Bool {
    var reader = ByteReader(block)
    while reader.remaining > 0 {
      // The block was validated when it was read.
      guard let (other, _) = try? next(&reader) else { return false }
      if compareBytes(other, name) == 0 { return true }
    }
    return false
  }
}
