import Cryptography
import HTTPClient
import ObjectStorage
import Platform

/// The whole content of a small file, in memory once for all that send it.
final class SharedBytes: @unchecked Sendable {
  // Written before the object is handed on, and only read after that.
  let memory: UnsafeMutableRawBufferPointer
  let facts: SourceFacts
  /// Nil when nobody wants it.
  let md5: [UInt8]?
  private let lock = Lock()
  // Guarded by `lock`, which is held while it is made.
  private var knownSHA256: [UInt8]?

  private init(
    _ memory: UnsafeMutableRawBufferPointer, _ facts: SourceFacts, hashes: Bool
  ) throws(MirrorError) {
    self.memory = memory
    self.facts = facts
    if hashes {
      let message = MD5Message()
      MD5Combiner.shared.update(message, UnsafeRawBufferPointer(memory))
      md5 = message.finish()
    } else {
      md5 = nil
    }
  }

  deinit { memory.deallocate() }

  /// The SHA-256 of the content, made once for all that sign with it.
  func sha256() throws(MirrorError) -> [UInt8] {
    do throws(CryptographyError) {
      return try lock.withLock { () throws(CryptographyError) in
        if let knownSHA256 { return knownSHA256 }
        let sha256 = try SHA256.digest(UnsafeRawBufferPointer(memory))
        knownSHA256 = sha256
        return sha256
      }
    } catch {
      throw .store(.cryptography(error))
    }
  }

  /// Reads all of a file.
  /// - Throws: ``MirrorError/changed(path:)`` when it changes meanwhile.
  static func read(_ content: any SourceContent, hashes: Bool) throws(MirrorError) -> SharedBytes {
    let memory = UnsafeMutableRawBufferPointer.allocate(
      byteCount: Int(content.sizeBytes), alignment: 16)
    do throws(MirrorError) {
      let count = try content.read(at: 0, into: memory)
      guard count == memory.count else { throw .changed(path: content.path) }
      try content.checkUnchanged()
    } catch {
      memory.deallocate()
      throw error
    }
    return try SharedBytes(memory, content.facts, hashes: hashes)
  }

  /// Reads all of an object with one request, which also tells the facts. `sizeBytesMax` is a
  /// bound for what may come.
  static func read(
    _ store: StoreSide, _ entry: MirrorEntry, sizeBytesMax: Int64, counter: ReadCounter
  ) throws(MirrorError) -> SharedBytes {
    let key = try store.key(of: entry)
    let taken = Taken(Int(min(entry.sizeBytes, sizeBytesMax)))
    let head = try store.calling { (client) throws(S3Error) in
      try client.getObject(store.bucket, key) { bytes in
        store.bandwidth?.receive(bytes.count)
        return taken.take(bytes)
      }
    }
    counter.add(taken.count)
    guard let head, !taken.isTooMuch, taken.count == taken.memory.count,
      head.sizeBytes == Int64(taken.count)
    else { throw .changed(path: entry.path) }
    let facts = SourceFacts(head, of: store)
    let bytes = try SharedBytes(taken.handOver(), facts, hashes: true)
    if let told = facts.md5, let md5 = bytes.md5, told != md5 {
      throw .damaged(path: entry.path, told: told, came: md5)
    }
    return bytes
  }

  /// What a request has brought. Of one thread.
  private final class Taken: @unchecked Sendable {
    private(set) var memory: UnsafeMutableRawBufferPointer
    private(set) var count = 0
    private(set) var isTooMuch = false
    private var isMine = true

    init(_ sizeBytes: Int) { memory = .allocate(byteCount: sizeBytes, alignment: 16) }

    deinit { if isMine { memory.deallocate() } }

    func take(_ bytes: UnsafeRawBufferPointer) -> HTTPFlow {
      guard count + bytes.count <= memory.count else {
        isTooMuch = true
        return .stop
      }
      UnsafeMutableRawBufferPointer(rebasing: memory[count...]).copyMemory(from: bytes)
      count += bytes.count
      return .goOn
    }

    func handOver() -> UnsafeMutableRawBufferPointer {
      isMine = false
      return memory
    }
  }
}

extension MirrorError {
  static func damaged(path: [UInt8], told: [UInt8], came: [UInt8]) -> MirrorError {
    .damaged(
      path: path,
      problem: "the store names the MD5 \(hex(told)), what came has \(hex(came))")
  }
}
