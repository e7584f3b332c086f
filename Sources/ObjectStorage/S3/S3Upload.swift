import HTTPClient
import Pipelines
import Platform

/// How large objects are cut.
package struct S3PartPlan: Sendable, Equatable {
  package var partSizeBytes: Int64
  package var partCount: Int

  /// Parts of `wanted` bytes, or of as many as keep their count within the service's limit, in
  /// whole mebibytes; nil for objects that are too large for the service.
  package init?(sizeBytes: Int64, wanted: Int64) {
    guard sizeBytes >= 0, sizeBytes <= S3Limits.objectSizeBytesMax else { return nil }
    let mebibyte: Int64 = 1 << 20
    let countMax = Int64(S3Limits.partCountMax)
    let needed = (sizeBytes + countMax - 1) / countMax
    let size = max(wanted, needed, S3Limits.partSizeBytesMin)
    partSizeBytes = (size + mebibyte - 1) / mebibyte * mebibyte
    partCount = max(1, Int((sizeBytes + partSizeBytes - 1) / partSizeBytes))
  }

  /// The bytes of a part, numbered from 1.
  package func range(_ number: Int, of sizeBytes: Int64) -> Range<Int64> {
    let start = Int64(number - 1) * partSizeBytes
    return start..<min(start + partSizeBytes, sizeBytes)
  }
}

/// One object on its way in parts, several at a time. Made for one upload.
///
/// Content in memory is sent from there. Other content is read part by part into buffers, at most
/// ``bufferByteCountMax`` bytes of them, or straight into the connections, one part at a time, when
/// a part is larger.
package final class S3Upload: @unchecked Sendable {
  package static let bufferByteCountMax: Int64 = 64 << 20

  private let client: S3Client
  private let bucket: String
  private let key: String
  private let body: ObjectBody
  private let plan: S3PartPlan
  private let id: String
  private let partMD5s: [[UInt8]]
  private let threadCount: Int
  private let lock = Lock()
  // Guarded by `lock`, which is held while a part is read.
  private var nextNumber = 1
  private var parts: [S3Part] = []
  private var failure: S3Error?

  /// `held` are parts that the service has already, of this cut and with the same bytes;
  /// `partMD5s` those of all parts in their order, where they are known: the service, or its
  /// answer, tells whether a part is still that.
  package init(
    _ client: S3Client, _ bucket: String, _ key: String, _ body: ObjectBody, _ plan: S3PartPlan,
    upload id: String, held: [S3Part] = [], partMD5s: [[UInt8]] = [], concurrency: Int
  ) {
    self.client = client
    self.bucket = bucket
    self.key = key
    self.body = body
    self.plan = plan
    self.id = id
    self.partMD5s = partMD5s
    parts = held
    let buffered =
      body.isInMemory ? concurrency : Int(max(1, S3Upload.bufferByteCountMax / plan.partSizeBytes))
    threadCount = max(1, min(concurrency, buffered, plan.partCount))
  }

  /// Stores the object in parts, all of it or nothing: the upload is aborted on a failure.
  package static func store(
    _ client: S3Client, _ bucket: String, _ key: String, _ body: ObjectBody,
    _ attributes: S3Attributes = S3Attributes(), _ condition: S3Condition = .none,
    partSizeBytes: Int64, partMD5s: [[UInt8]] = [], concurrency: Int
  ) throws(S3Error) -> S3Stored {
    guard let plan = S3PartPlan(sizeBytes: body.sizeBytes, wanted: partSizeBytes) else {
      throw .usage(
        subject: S3Client.subject(bucket, key),
        problem: "\(body.sizeBytes) bytes are more than one object may have")
    }
    let id = try client.createUpload(bucket, key, attributes)
    do throws(S3Error) {
      let upload = S3Upload(
        client, bucket, key, body, plan, upload: id, partMD5s: partMD5s, concurrency: concurrency)
      return try client.completeUpload(
        bucket, key, upload: id, try upload.sendParts(), condition)
    } catch {
      // What counts is why it failed; the service forgets old uploads where it is told to.
      try? client.abortUpload(bucket, key, upload: id)
      throw error
    }
  }

  /// Sends the parts that are missing; gives all of them in order. The upload stays as it is on a
  /// failure, to be taken up again or aborted.
  package func sendParts() throws(S3Error) -> [S3Part] {
    let helpers = (1..<threadCount).map { number in
      Thread("s3-part-\(number)") { self.work() }
    }
    work()
    for helper in helpers {
      // The work catches what it throws.
      try? helper.join()
    }
    return try lock.withLock { () throws(S3Error) in
      if let failure { throw failure }
      return parts.sorted { $0.number < $1.number }
    }
  }

  private func work() {
    do throws(S3Error) {
      while let (number, content) = try nextPart() {
        let part = try client.uploadPart(bucket, key, upload: id, number: number, content)
        lock.withLock { parts.append(part) }
      }
    } catch {
      lock.withLock { if failure == nil { failure = error } }
    }
  }

  /// The next part with its content; nil at the end, or after a failure.
  private func nextPart() throws(S3Error) -> (Int, S3Body)? {
    lock.lock()
    defer { lock.unlock() }
    guard failure == nil else { return nil }
    while parts.contains(where: { $0.number == nextNumber }) { nextNumber += 1 }
    guard nextNumber <= plan.partCount else { return nil }
    let number = nextNumber
    nextNumber += 1
    let range = plan.range(number, of: body.sizeBytes)
    do throws(S3Error) {
      var content = try content(of: range)
      if number <= partMD5s.count { content.md5 = partMD5s[number - 1] }
      return (number, content)
    } catch {
      // Known before the lock is let go: nobody reads behind the place where a source failed.
      failure = error
      throw error
    }
  }

  private func content(of range: Range<Int64>) throws(S3Error) -> S3Body {
    let isStreamed = plan.partSizeBytes > S3Upload.bufferByteCountMax
    if body.isInMemory || isStreamed { return S3Body(body.httpBody(of: range)) }
    let buffer = S3PartBuffer(Int(range.count))
    var filled = 0
    do throws(ObjectStoreError) {
      while filled < buffer.memory.count {
        let rest = UnsafeMutableRawBufferPointer(rebasing: buffer.memory[filled...])
        let count = try body.read(at: range.lowerBound + Int64(filled), into: rest)
        guard count > 0 else {
          throw .bodyEnded(read: range.lowerBound + Int64(filled), expected: body.sizeBytes)
        }
        filled += count
      }
    } catch {
      throw .content(error)
    }
    return S3Body(HTTPBody(memory: [UnsafeRawBufferPointer(buffer.memory)], owner: buffer))
  }
}

/// The bytes of one part.
private final class S3PartBuffer: @unchecked Sendable {
  let memory: UnsafeMutableRawBufferPointer
  init(_ count: Int) { memory = .allocate(byteCount: count, alignment: 4096) }
  deinit { memory.deallocate() }
}

extension ObjectBody {
  /// The content as a body of a request; failures of the source come back as
  /// ``HTTPError/bodyFailed(_:)``.
  func httpBody(of range: Range<Int64>? = nil) -> HTTPBody {
    let range = range ?? 0..<sizeBytes
    return HTTPBody(sizeBytes: Int64(range.count)) { (offset, buffer) throws(HTTPError) in
      do throws(ObjectStoreError) {
        return try self.read(at: range.lowerBound + offset, into: buffer)
      } catch {
        throw .bodyFailed(error)
      }
    }
  }
}
