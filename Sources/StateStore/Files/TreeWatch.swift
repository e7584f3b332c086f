import Glibc
import Platform

/// Tells when files of objects change in a state directory, whoever changes them (`inotify`).
package final class TreeWatch: @unchecked Sendable {
  private static let events =
    UInt32(IN_CLOSE_WRITE) | UInt32(IN_MOVED_TO) | UInt32(IN_MOVED_FROM) | UInt32(IN_DELETE)
    | UInt32(IN_CREATE) | UInt32(IN_DELETE_SELF) | UInt32(IN_ONLYDIR)

  private let directory: StateDirectory
  private let descriptor: SharedDescriptor
  private let ending: Wakeup
  private var thread: Thread<Void>?

  /// Starts to watch; `onChange` is called on a thread of its own, and may be called for nothing.
  package init(
    _ directory: StateDirectory, onChange: @escaping @Sendable () -> Void
  ) throws(StateError) {
    self.directory = directory
    let raw = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
    guard raw >= 0 else { throw .directory(.last("inotify_init1")) }
    descriptor = SharedDescriptor(owning: raw)
    do {
      ending = try Wakeup()
    } catch {
      throw .directory(error)
    }
    watchAll()
    thread = Thread("watch") { [unowned self] in watch(onChange) }
  }

  /// Ends the watch. Once.
  package func stop() {
    ending.signal()
    // Its body does not throw.
    try? thread?.join()
    thread = nil
  }

  /// Watches every directory in which objects stand or may come to stand; one that is watched
  /// already stays so.
  private func watchAll() {
    var paths = [directory.path]
    // What cannot be listed shows when objects are read.
    for top in (try? directory.names(in: "")) ?? [] {
      // Drover's own directories hold no objects.
      guard top == ObjectFiles.clusterDirectory || !top.hasPrefix("_") else { continue }
      paths.append("\(directory.path)/\(top)")
      // As above.
      for kind in (try? directory.names(in: top)) ?? [] {
        paths.append("\(directory.path)/\(top)/\(kind)")
      }
    }
    // What is no directory is refused, and needs no watch.
    for path in paths { _ = inotify_add_watch(descriptor.raw, path, TreeWatch.events) }
  }

  private func watch(_ onChange: () -> Void) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 8)
    defer { buffer.deallocate() }
    while true {
      // What cannot be waited for any more ends the watch: objects are read by request alone.
      guard let outcome = try? ending.wait(for: descriptor.raw, .reading, until: nil),
        case .ready = outcome
      else { return }
      let count = retryingOnInterrupt {
        read(descriptor.raw, buffer.baseAddress, buffer.count)
      }
      guard count > 0 else { continue }
      let seen = TreeWatch.look(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      if seen.directories { watchAll() }
      if seen.objects || seen.directories { onChange() }
    }
  }

  /// Whether objects, or directories, are among the events of a buffer.
  private static func look(
    _ events: UnsafeRawBufferPointer
  ) -> (objects: Bool, directories: Bool) {
    var seen = (objects: false, directories: false)
    var offset = 0
    let size = MemoryLayout<inotify_event>.size
    while offset + size <= events.count {
      let event = events.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
      let end = min(events.count, offset + size + Int(event.len))
      let name = events[(offset + size)..<end].prefix { $0 != 0 }
      offset = end
      if event.mask & (UInt32(IN_ISDIR) | UInt32(IN_Q_OVERFLOW) | UInt32(IN_DELETE_SELF)) != 0 {
        seen.directories = true
      } else if ObjectFiles.objectName(ofFile: String(decoding: name, as: UTF8.self)) != nil {
        // One that is only made is told again when it is closed.
        if event.mask & UInt32(IN_CREATE) == 0 { seen.objects = true }
      }
    }
    return seen
  }
}
