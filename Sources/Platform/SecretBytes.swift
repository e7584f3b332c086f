import Glibc

/// Bytes of a secret, in memory of their own that is wiped when the last holder lets go.
///
/// Copies of the object share the memory. The bytes are never printed: the type has no description.
@safe package final class SecretBytes: @unchecked Sendable, CustomReflectable {
  // Written while this object is made, and by a sole holder on one thread; sharing is safe.
  private let storage: UnsafeMutableRawBufferPointer

  package var count: Int { storage.count }

  /// Nothing of a secret shows in dumps and test reports.
  package var customMirror: Mirror { Mirror(self, children: []) }

  /// Makes room for `count` bytes and has `fill` write them.
  package init<E: Error>(
    count: Int, fill: (UnsafeMutableRawBufferPointer) throws(E) -> Void
  ) throws(E) {
    let storage = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
    self.storage = storage
    if let base = storage.baseAddress { memset(base, 0, count) }
    try fill(storage)
  }

  deinit {
    if let base = storage.baseAddress, storage.count > 0 {
      explicit_bzero(base, storage.count)
    }
    storage.deallocate()
  }

  /// A copy of `bytes`; whoever has those wipes them.
  package convenience init(_ bytes: [UInt8]) {
    self.init(count: bytes.count) { $0.copyBytes(from: bytes) }
  }

  /// The bytes themselves, for calls so frequent that a closure would count; valid as long as this
  /// object is held.
  package var borrowed: UnsafeRawBufferPointer { UnsafeRawBufferPointer(storage) }

  /// The bytes, for a sole holder on one thread that changes part of them from use to use.
  package var unshared: UnsafeMutableRawBufferPointer { storage }

  /// Lends the bytes; they are not to be kept.
  package func withBytes<R, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    try body(UnsafeRawBufferPointer(storage))
  }
}
