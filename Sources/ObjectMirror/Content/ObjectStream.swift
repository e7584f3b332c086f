import HTTPClient
import ObjectStorage
import Platform

/// One request for an object, from a place on, and what has come of it. One thread reads.
final class ObjectStream {
  private let state = State()
  private let thread: Thread<Void>
  /// Where the next read goes on.
  private(set) var offset: Int64

  /// Starts the request.
  init(_ store: StoreSide, _ key: String, from offset: Int64, etag: String?) {
    self.offset = offset
    let state = state
    thread = Thread("mirror-get") {
      do throws(MirrorError) {
        _ = try store.calling { (client) throws(S3Error) in
          try client.getObject(
            store.bucket, key, range: offset > 0 ? offset..<Int64.max : nil, ifMatch: etag
          ) { bytes in
            store.bandwidth?.receive(bytes.count)
            return state.take(bytes)
          }
        }
        state.end(nil)
      } catch {
        state.end(error)
      }
    }
  }

  deinit {
    state.stop()
    // The body throws nothing.
    try? thread.join()
  }

  /// Fills the buffer; less only at the end of the object.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws(MirrorError) -> Int {
    let count = try state.read(into: buffer)
    offset += Int64(count)
    return count
  }

  /// What the thread of the request and the reader share.
  private final class State: @unchecked Sendable {
    private static let sizeBytesAhead = 1 << 20

    private let lock = Lock()
    private let changed: Condition
    private let ring = UnsafeMutableRawBufferPointer.allocate(
      byteCount: State.sizeBytesAhead, alignment: 4096)
    // Guarded by `lock`.
    private var start = 0
    private var count = 0
    private var isStopped = false
    private var isOver = false
    private var failure: MirrorError?

    init() { changed = Condition(lock) }

    deinit { ring.deallocate() }

    func take(_ bytes: UnsafeRawBufferPointer) -> HTTPFlow {
      lock.lock()
      defer { lock.unlock() }
      var rest = bytes
      while !rest.isEmpty {
        while count == ring.count, !isStopped { changed.wait() }
        if isStopped { return .stop }
        let end = (start + count) % ring.count
        let room = min(rest.count, ring.count - count, ring.count - end)
        UnsafeMutableRawBufferPointer(rebasing: ring[end..<(end + room)])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: rest[..<room]))
        count += room
        rest = UnsafeRawBufferPointer(rebasing: rest[room...])
        changed.broadcast()
      }
      return .goOn
    }

    func end(_ failure: MirrorError?) {
      lock.withLock {
        isOver = true
        self.failure = failure
        changed.broadcast()
      }
    }

    func stop() {
      lock.withLock {
        isStopped = true
        changed.broadcast()
      }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(MirrorError) -> Int {
      lock.lock()
      defer { lock.unlock() }
      var done = 0
      while done < buffer.count {
        while count == 0, !isOver { changed.wait() }
        guard count > 0 else {
          if let failure { throw failure }
          break
        }
        let piece = min(count, buffer.count - done, ring.count - start)
        UnsafeMutableRawBufferPointer(rebasing: buffer[done..<(done + piece)])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: ring[start..<(start + piece)]))
        start = (start + piece) % ring.count
        count -= piece
        done += piece
        changed.broadcast()
      }
      return done
    }
  }
}
