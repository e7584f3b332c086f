import Glibc

/// Bytes of a secret, in memory of their own that is wiped when the last holder lets go.
///
/// Copies of the object share the memory. The bytes are never printed: the type has no description.
@safe package final class SecretBytes: @unchecked Sendable, CustomReflectable {
  // Written only while this object is made, so sharing between threads is safe.
  private let storage: UnsafeMutableRawBufferPointer

  package var count: Int { unsafe storage.count }

  /// Nothing of a secret shows in dumps and test reports.
  package var customMirror: Mirror { Mirror(self, children: []) }

  /// Makes room for `count` bytes and has `fill` write them.
  package init<E: Error>(
    count: Int, fill: (UnsafeMutableRawBufferPointer) throws(E) -> Void
  ) throws(E) {
    let storage = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
    unsafe self.storage = storage
    if let base = storage.baseAddress { unsafe memset(base, 0, count) }
    try unsafe fill(storage)
  }

  deinit {
    if let base = unsafe storage.baseAddress, unsafe storage.count > 0 {
      unsafe explicit_bzero(base, storage.count)
    }
    unsafe storage.deallocate()
  }

  /// Lends the bytes; they are not to be kept.
  package func withBytes<R, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    try unsafe body(UnsafeRawBufferPointer(storage))
  }
}
