import CPlatform
import Glibc

/// Whole reads and writes at an offset, repeated over short counts and signals.
package enum FileIO {
  /// Reads until `buffer` is full or the file ends; gives the count read.
  package static func read(
    _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
  ) throws(PlatformError) -> Int {
    var done = 0
    while done < buffer.count, let base = buffer.baseAddress {
      let count = retryingOnInterrupt {
        pread(descriptor, base + done, buffer.count - done, off_t(offset) + done)
      }
      if count < 0 { throw .last("pread") }
      if count == 0 { break }
      done += count
    }
    return done
  }

  /// Writes all of `buffer`.
  package static func write(
    _ descriptor: Int32, _ buffer: UnsafeRawBufferPointer, at offset: Int64
  ) throws(PlatformError) {
    var done = 0
    while done < buffer.count, let base = buffer.baseAddress {
      let count = retryingOnInterrupt {
        pwrite(descriptor, base + done, buffer.count - done, off_t(offset) + done)
      }
      if count < 0 { throw .last("pwrite") }
      done += count
    }
  }

  /// Writes all of an array.
  package static func write(
    _ descriptor: Int32, _ bytes: [UInt8], at offset: Int64
  ) throws(PlatformError) {
    let result = bytes.withUnsafeBytes { buffer in
      Result { () throws(PlatformError) in try write(descriptor, buffer, at: offset) }
    }
    try result.get()
  }

  /// Sets the modification time (`futimens`); the access time stays as it is.
  package static func setTime(_ descriptor: Int32, seconds: Int64, nanoseconds: UInt32) -> Int32 {
    withTimes(seconds, nanoseconds) { futimens(descriptor, $0) }
  }

  /// Sets the modification time of a name that is not followed (`utimensat`).
  package static func setTime(
    _ directory: Int32, _ name: UnsafePointer<CChar>, seconds: Int64, nanoseconds: UInt32
  ) -> Int32 {
    withTimes(seconds, nanoseconds) { utimensat(directory, name, $0, AT_SYMLINK_NOFOLLOW) }
  }

  /// Sets both times (`futimens`).
  package static func setTimes(
    _ descriptor: Int32, accessed: WallTime, modified: WallTime
  ) -> Int32 {
    withUnsafeTemporaryAllocation(of: timespec.self, capacity: 2) { times in
      times[0] = timespec(tv_sec: Int(accessed.seconds), tv_nsec: Int(accessed.nanoseconds))
      times[1] = timespec(tv_sec: Int(modified.seconds), tv_nsec: Int(modified.nanoseconds))
      return futimens(descriptor, UnsafePointer(times.baseAddress.unsafelyUnwrapped))
    }
  }

  private static func withTimes(
    _ seconds: Int64, _ nanoseconds: UInt32, _ body: (UnsafePointer<timespec>) -> Int32
  ) -> Int32 {
    withUnsafeTemporaryAllocation(of: timespec.self, capacity: 2) { times in
      times[0] = timespec(tv_sec: 0, tv_nsec: (1 << 30) - 2)  // UTIME_OMIT
      times[1] = timespec(tv_sec: Int(seconds), tv_nsec: Int(nanoseconds))
      return body(UnsafePointer(times.baseAddress.unsafelyUnwrapped))
    }
  }

  /// Seconds that a TCP connection has been held back by its receiver's window so far; 0 when not
  /// known.
  package static func receiverLimitedSeconds(_ socket: Int32) -> Double {
    Double(max(0, drover_tcp_receiver_limited(socket))) / 1e6
  }

  /// Makes the data of a file durable (`fdatasync`).
  package static func synchronizeData(_ descriptor: Int32) throws(PlatformError) {
    if retryingOnInterrupt({ fdatasync(descriptor) }) != 0 { throw .last("fdatasync") }
  }

  package static func truncate(_ descriptor: Int32, to size: Int64) throws(PlatformError) {
    if retryingOnInterrupt({ ftruncate(descriptor, off_t(size)) }) != 0 { throw .last("ftruncate") }
  }
}
